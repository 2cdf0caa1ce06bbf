#include "periprox/host/port_records.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace periprox::host {
namespace {

PortOrigin sample() {
  return {.locator = "emulated:go_temp?celsius=21.5",
          .name = "Vernier Go! Temp",
          .idVendor = 0x08f7,
          .idProduct = 0x0002,
          .process = ::getpid(),
          .devid = 0x00010001,
          .since = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000))};
}

class Records : public ::testing::Test {
 protected:
  Records() {
    std::string pattern = (std::filesystem::temp_directory_path() / "periprox.XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~Records() override { std::filesystem::remove_all(root_); }
  [[nodiscard]] PortRecords records() const { return PortRecords(paths(), root_ / "stock"); }
  [[nodiscard]] physical::SystemPaths paths() const {
    physical::SystemPaths result;
    result.run = root_ / "run";
    return result;
  }

  std::filesystem::path root_;
};

TEST(PortOriginText, IsReadBack) {
  EXPECT_EQ(parse_port_origin(format_port_origin(sample())), sample());
}

TEST(PortOriginText, KeepsEachValueOnItsLine) {
  auto origin = sample();
  origin.name = "two\nlines";
  const auto read = parse_port_origin(format_port_origin(origin));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "two?lines");
}

TEST(PortOriginText, IsNothingWhenCutOff) {
  const auto text = format_port_origin(sample());
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    EXPECT_FALSE(parse_port_origin(std::string_view(text).substr(0, i))) << i;
  }
}

TEST(PortOriginText, IsNothingWithNumbersOutOfRange) {
  auto text = format_port_origin(sample());
  text.replace(text.find("vendor 08f7"), 11, "vendor 108f7");
  EXPECT_FALSE(parse_port_origin(text));
}

TEST(StockOriginText, IsThreeWordsAsTheStockToolsWriteThem) {
  EXPECT_EQ(format_stock_origin({"host", "3240", "1-1"}), "host 3240 1-1\n");
  EXPECT_EQ(parse_stock_origin("host 3240 1-1\n"), (StockOrigin{"host", "3240", "1-1"}));
  EXPECT_FALSE(parse_stock_origin("host 3240"));
}

TEST(StockOriginText, FitsIntoTheStockToolsBuffers) {
  const auto text = format_stock_origin({"a b", "", std::string(100, 'x')});
  EXPECT_EQ(text, "a_b - " + std::string(31, 'x') + "\n");
}

TEST_F(Records, AreReadBack) {
  ASSERT_TRUE(records().write(3, sample(), {"host", "3240", "1-1"}));
  EXPECT_EQ(records().read(3, 0x00010001), sample());
  EXPECT_EQ(records().read_stock(3), (StockOrigin{"host", "3240", "1-1"}));
}

TEST_F(Records, OfADeviceBeforeAreNotBelieved) {
  ASSERT_TRUE(records().write(3, sample(), {"host", "3240", "1-1"}));
  EXPECT_FALSE(records().read(3, 0x00010002));
}

TEST_F(Records, OfAProcessThatIsGoneAreNotBelieved) {
  auto origin = sample();
  origin.process = 0x7ffffff0;  // Above the kernel's largest process number.
  ASSERT_TRUE(records().write(3, origin, {"host", "3240", "1-1"}));
  EXPECT_FALSE(records().read(3, origin.devid));
}

TEST_F(Records, AreGoneWhenRemoved) {
  ASSERT_TRUE(records().write(3, sample(), {"host", "3240", "1-1"}));
  records().remove(3);
  EXPECT_FALSE(records().read(3, 0x00010001));
  EXPECT_FALSE(records().read_stock(3));
}

TEST_F(Records, CostNothingWhereTheyCannotBeWritten) {
  std::ofstream(root_ / "run") << "a file where a folder should be";
  EXPECT_FALSE(records().write(3, sample(), {"host", "3240", "1-1"}));
  EXPECT_FALSE(records().read(3, 0x00010001));
}

}  // namespace
}  // namespace periprox::host

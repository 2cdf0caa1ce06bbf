#include "periprox/service/fault_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace periprox::service {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FaultFileTest : public ::testing::Test {
 protected:
  FaultFileTest() {
    std::string folder = std::filesystem::temp_directory_path() / "periprox-faults-XXXXXX";
    folder_ = ::mkdtemp(folder.data());
  }
  ~FaultFileTest() override { std::filesystem::remove_all(folder_); }

  Result<FaultFile> read(const std::string& text) {
    const auto path = folder_ / "rules.toml";
    std::ofstream(path) << text;
    return read_fault_file(path);
  }
  Error refused(const std::string& text) {
    auto file = read(text);
    EXPECT_FALSE(file) << text;
    return file ? Error{} : file.error();
  }

  std::filesystem::path folder_;
};

TEST_F(FaultFileTest, EachTableIsARule) {
  const auto file =
      read("seed = 7\n[[fault]]\nep = 0x81\nstall = true\n[[fault]]\ndelay = \"50ms\"\np = 0.25\n");
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->seed, 7U);
  EXPECT_THAT(file->rules, ElementsAre("ep=129,stall", "delay=50ms,p=0.250000000"));
}

TEST_F(FaultFileTest, AFileWithoutRulesIsOne) {
  const auto file = read("");
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->rules.empty());
  EXPECT_FALSE(file->seed);
}

TEST_F(FaultFileTest, SaysWhatIsWrong) {
  EXPECT_THAT(refused("fault = 3\n").why, HasSubstr("'fault'"));
  EXPECT_THAT(refused("colour = \"red\"\n").why, HasSubstr("'colour'"));
  EXPECT_THAT(refused("[[fault]]\nstall = false\n").why, HasSubstr("'stall'"));
  EXPECT_THAT(refused("[[fault]]\ndelay = \"1s,drop\"\n").why, HasSubstr("'delay'"));
  EXPECT_THAT(refused("[[fault\n").why, HasSubstr("line 1"));
}

TEST_F(FaultFileTest, IsBounded) {
  EXPECT_THAT(refused(std::string(2 << 20, '#')).why, HasSubstr("1 MiB"));
}

}  // namespace
}  // namespace periprox::service

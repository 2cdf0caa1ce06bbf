#include "periprox/host/unplug_request.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp() is POSIX

#include <fstream>

#include "periprox/loop/loop.hpp"

namespace periprox::host {
namespace {

constexpr Duration kLong = std::chrono::minutes(1);

class UnplugRequest : public ::testing::Test {
 protected:
  UnplugRequest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "periprox.XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~UnplugRequest() override { std::filesystem::remove_all(root_); }

  /// Asks, and runs the loop until that is answered.
  bool ask(const std::filesystem::path& path, Duration patience = kLong) {
    std::optional<bool> answer;
    request_unplug(loop_, path, patience, [&](bool heard) { answer = heard; });
    loop_.run_until([&] { return answer.has_value(); });
    return answer.value_or(false);
  }
  [[nodiscard]] std::filesystem::path path() const { return root_ / "0.unplug"; }

  std::filesystem::path root_;
  Loop loop_;
  int requests_ = 0;
};

TEST_F(UnplugRequest, IsHeardAndAnswered) {
  const auto hearing = hear_unplug_requests(loop_, path(), [&] { ++requests_; });
  ASSERT_TRUE(hearing);
  EXPECT_TRUE(ask(path()));
  EXPECT_EQ(requests_, 1);
  EXPECT_TRUE(ask(path()));
  EXPECT_EQ(requests_, 2);
}

TEST_F(UnplugRequest, IsNotHeardWhereNobodyIs) { EXPECT_FALSE(ask(path())); }

TEST_F(UnplugRequest, IsNotHeardWhereSomebodyWas) {
  {
    Loop killed;
    const auto hearing = hear_unplug_requests(killed, path(), [] {});
    std::filesystem::rename(path(), root_ / "kept");
  }
  std::filesystem::rename(root_ / "kept", path());
  EXPECT_FALSE(ask(path()));
}

TEST_F(UnplugRequest, IsNotHeardByAProcessThatIsStopped) {
  Loop stopped;
  const auto hearing = hear_unplug_requests(stopped, path(), [&] { ++requests_; });
  ASSERT_TRUE(hearing);
  EXPECT_FALSE(ask(path(), std::chrono::milliseconds(50)));
  EXPECT_EQ(requests_, 0);
}

TEST_F(UnplugRequest, GoesToTheLastWhoListens) {
  Loop before;
  const auto earlier = hear_unplug_requests(before, path(), [] {});
  const auto hearing = hear_unplug_requests(loop_, path(), [&] { ++requests_; });
  ASSERT_TRUE(hearing);
  EXPECT_TRUE(ask(path()));
  EXPECT_EQ(requests_, 1);
}

TEST_F(UnplugRequest, LeavesNoFileBehind) {
  {
    const auto hearing = hear_unplug_requests(loop_, path(), [] {});
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(UnplugRequest, NeedsAFolderAndAPathThatFits) {
  EXPECT_FALSE(hear_unplug_requests(loop_, root_ / "none/0.unplug", [] {}));
  const auto long_path = root_ / std::string(200, 'x');
  EXPECT_FALSE(hear_unplug_requests(loop_, long_path, [] {}));
  EXPECT_FALSE(ask(long_path));
}

}  // namespace
}  // namespace periprox::host

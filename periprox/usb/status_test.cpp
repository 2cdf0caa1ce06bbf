#include "periprox/usb/status.hpp"

#include <cctype>
#include <limits>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace periprox::usb {
namespace {

class EveryStatus : public ::testing::TestWithParam<Status> {};

TEST_P(EveryStatus, SurvivesTheWayOverItsErrno) {
  EXPECT_EQ(status_from_errno(to_errno(GetParam())), GetParam());
  EXPECT_EQ(status_from_errno(-to_errno(GetParam())), GetParam());
}

TEST_P(EveryStatus, HasAName) { EXPECT_FALSE(status_name(GetParam()).empty()); }

INSTANTIATE_TEST_SUITE_P(
    Status, EveryStatus,
    ::testing::Values(Status::Ok, Status::Stalled, Status::Babble, Status::ShortTransfer,
                      Status::ProtocolError, Status::CrcError, Status::NoResponse,
                      Status::Cancelled, Status::Killed, Status::Shutdown, Status::DeviceGone,
                      Status::IsoPartial, Status::BufferOverrun, Status::BufferUnderrun,
                      Status::TimedOut, Status::InvalidArgument, Status::NoMemory,
                      Status::NotConfigured, Status::Busy, Status::NoBandwidth, Status::TooLarge,
                      Status::BadLength, Status::IoError, Status::InProgress),
    [](const auto& status) {
      std::string name;
      for (const char letter : status_name(status.param)) {
        if (std::isalpha(static_cast<unsigned char>(letter)) != 0) name += letter;
      }
      return name;
    });

TEST(Status, HasAsManyErrnoNumbersAsCases) {
  constexpr int kCases = static_cast<int>(Status::InProgress) + 1;
  std::set<int> numbers;
  std::set<std::string_view> names;
  for (int i = 0; i < kCases; ++i) {
    numbers.insert(to_errno(static_cast<Status>(i)));
    names.insert(status_name(static_cast<Status>(i)));
  }
  EXPECT_EQ(numbers.size(), 24U);
  EXPECT_EQ(names.size(), 24U);
}

// Documentation/driver-api/usb/error-codes.rst, with the numbers of asm-generic/errno.h.
TEST(Status, UsesTheNumbersThatPeersSend) {
  EXPECT_EQ(to_errno(Status::Ok), 0);
  EXPECT_EQ(to_errno(Status::Stalled), 32);
  EXPECT_EQ(to_errno(Status::Babble), 75);
  EXPECT_EQ(to_errno(Status::ShortTransfer), 121);
  EXPECT_EQ(to_errno(Status::ProtocolError), 71);
  EXPECT_EQ(to_errno(Status::CrcError), 84);
  EXPECT_EQ(to_errno(Status::NoResponse), 62);
  EXPECT_EQ(to_errno(Status::Cancelled), 104);
  EXPECT_EQ(to_errno(Status::Killed), 2);
  EXPECT_EQ(to_errno(Status::Shutdown), 108);
  EXPECT_EQ(to_errno(Status::DeviceGone), 19);
  EXPECT_EQ(to_errno(Status::IsoPartial), 18);
  EXPECT_EQ(to_errno(Status::InProgress), 115);
}

TEST(Status, IsAProtocolErrorForNumbersWithoutACase) {
  EXPECT_EQ(status_from_errno(1), Status::ProtocolError);
  EXPECT_EQ(status_from_errno(-4095), Status::ProtocolError);
  EXPECT_EQ(status_from_errno(std::numeric_limits<int>::max()), Status::ProtocolError);
}

TEST(Status, SurvivesTheMostNegativeNumber) {
  EXPECT_EQ(status_from_errno(std::numeric_limits<int>::min()), Status::ProtocolError);
}

}  // namespace
}  // namespace periprox::usb

#include "periprox/base/result.hpp"

#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

namespace periprox {
namespace {

TEST(Error, SaysWhatWhyAndWhatToTry) {
  const Error error{Error::Kind::Busy, "cannot listen on 127.0.0.1:3240", "the port is in use",
                    "try another port with --listen"};
  EXPECT_EQ(error.text(),
            "cannot listen on 127.0.0.1:3240: the port is in use (try another port with --listen)");
}

TEST(Error, LeavesOutWhatItDoesNotKnow) {
  EXPECT_EQ((Error{Error::Kind::Failed, "a", "", ""}.text()), "a");
  EXPECT_EQ((Error{Error::Kind::Failed, "a", "", "c"}.text()), "a (c)");
  EXPECT_EQ((Error{Error::Kind::Failed, "a", "b", ""}.text()), "a: b");
}

TEST(Result, CarriesAValue) {
  const Result<int> result = 5;
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(*result, 5);
}

TEST(Result, CarriesTheErrorOfFail) {
  const Result<int> result = fail(Error::Kind::NotFound, "what", "why", "hint");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, Error::Kind::NotFound);
  EXPECT_EQ(result.error().text(), "what: why (hint)");
}

TEST(Result, HandsItsErrorOnToAResultOfAnotherType) {
  Result<int> failed = fail(Error::Kind::Gone, "what", "why");
  const Result<std::unique_ptr<int>> forwarded = forward_error(failed);
  ASSERT_FALSE(forwarded.has_value());
  EXPECT_EQ(forwarded.error().kind, Error::Kind::Gone);
  EXPECT_EQ(forwarded.error().text(), "what: why");
}

TEST(ErrnoError, TakesItsKindFromTheNumber) {
  EXPECT_EQ(errno_error(EACCES, "x").kind, Error::Kind::NoPermission);
  EXPECT_EQ(errno_error(EPERM, "x").kind, Error::Kind::NoPermission);
  EXPECT_EQ(errno_error(ENOENT, "x").kind, Error::Kind::NotFound);
  EXPECT_EQ(errno_error(EBUSY, "x").kind, Error::Kind::Busy);
  EXPECT_EQ(errno_error(EADDRINUSE, "x").kind, Error::Kind::Busy);
  EXPECT_EQ(errno_error(ENODEV, "x").kind, Error::Kind::Gone);
  EXPECT_EQ(errno_error(ESHUTDOWN, "x").kind, Error::Kind::Gone);
  EXPECT_EQ(errno_error(ENOTSUP, "x").kind, Error::Kind::NotSupported);
  EXPECT_EQ(errno_error(ENOSYS, "x").kind, Error::Kind::NotSupported);
  EXPECT_EQ(errno_error(EIO, "x").kind, Error::Kind::Failed);
}

TEST(ErrnoError, TakesItsReasonFromTheSystem) {
  EXPECT_EQ(errno_error(ENOENT, "cannot open /x", "is it mounted?").text(),
            "cannot open /x: No such file or directory (is it mounted?)");
}

}  // namespace
}  // namespace periprox

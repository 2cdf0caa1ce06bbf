// How our own failed operations travel: a value or an Error that a person can act on.
//
// Three planes are kept apart: an URB's outcome is a usb::Status, a peer's malformed bytes end its
// session with an Error that names the offset, and an operation of ours returns Result<T>.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace periprox {

/// Says what failed, why, and what to try; each a sentence fragment without a final full stop.
struct Error {
  /// What the program should do about it, apart from printing it.
  enum class Kind : std::uint8_t {
    Failed,        ///< Anything without a case of its own.
    Usage,         ///< The words of the caller are wrong: exit code 2.
    NotFound,      ///< The named thing is not there (now).
    Busy,          ///< Somebody else holds it.
    NoPermission,  ///< The system forbids it to this user.
    Malformed,     ///< A peer or a file sent bytes that mean nothing.
    Gone,          ///< It was there and went away.
    NotSupported,  ///< This platform, kernel or device cannot do it.
  };

  Kind kind = Kind::Failed;
  std::string what;  ///< "cannot listen on tcp://127.0.0.1:3240"
  std::string why;   ///< "the port is in use"
  std::string hint;  ///< "try another port with --listen"; may be empty

  /// "what: why (hint)" on one line.
  [[nodiscard]] std::string text() const;
};

template <typename T>
using Result = tl::expected<T, Error>;

/// Builds the failed side of any Result.
[[nodiscard]] inline tl::unexpected<Error> fail(Error::Kind kind, std::string what, std::string why,
                                                std::string hint = {}) {
  return tl::make_unexpected(Error{kind, std::move(what), std::move(why), std::move(hint)});
}

/// Hands the error of one Result on as another's.
template <typename T>
[[nodiscard]] tl::unexpected<Error> forward_error(Result<T>& failed) {
  return tl::make_unexpected(std::move(failed).error());
}

/// Builds an Error from an errno number: the kind from the number, the reason from the system.
[[nodiscard]] Error errno_error(int number, std::string what, std::string hint = {});

}  // namespace periprox

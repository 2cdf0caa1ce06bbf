// Standard output and standard error, as a program in a pipeline has to treat them.
#pragma once

#include <string>
#include <string_view>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"

namespace periprox::app {

/// Where the results go. Written at once, never kept back.
class Output final {
 public:
  explicit Output(int fd) : fd_(fd) {}

  /// Writes all of it. A reader that has gone away is no error: is_closed() is true from then on,
  /// and nothing is written any more.
  Result<void> write(std::string_view text) { return write(bytes_of_text(text)); }
  Result<void> write(Bytes bytes);
  /// Writes a line of a stream of events, unless that would have to wait for a slow reader; then
  /// the line is left out. At most 4096 bytes.
  Result<void> write_event(std::string_view line);

  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] bool is_terminal() const;

 private:
  int fd_;
  bool closed_ = false;
};

/// Prints an error to standard error: what failed, why, what to try; or as a line of JSON.
void print_error(const Error& error, bool json);

/// Prints a line of advice to standard error.
void print_advice(std::string_view advice);

/// The exit code for an error: 2 for wrong usage, else 1.
[[nodiscard]] int exit_code(const Error& error);

}  // namespace periprox::app

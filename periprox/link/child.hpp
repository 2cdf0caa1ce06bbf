// A program that carries a connection: ssh, socat, qrexec-client-vm.
#pragma once

#include <sys/types.h>

#include <string>

#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::link {

/// A child process whose standard input and output are one end of a socket pair; its standard error
/// is ours. It is asked to end (SIGTERM), and made to, when this is destroyed.
class Child final {
 public:
  /// Starts `command` with the shell.
  [[nodiscard]] static Result<Child> start(const std::string& command);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  /// Our end of the pair; once.
  [[nodiscard]] UniqueFd take_socket() { return std::move(socket_); }

 private:
  Child(pid_t process, UniqueFd socket) : process_(process), socket_(std::move(socket)) {}

  pid_t process_ = -1;
  UniqueFd socket_;
};

}  // namespace periprox::link

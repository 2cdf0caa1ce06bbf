// The netlink socket on which the kernel multicasts its events.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::physical {

/// Receives the kernel's datagrams, and only the kernel's. Non-blocking.
class UeventSocket {
 public:
  [[nodiscard]] static Result<UeventSocket> open();

  enum class Outcome : std::uint8_t {
    Received,  ///< `datagram` holds one.
    Ignored,   ///< One came that is not the kernel's, or was too long.
    Empty,     ///< Nothing (more) is there.
    Overrun,   ///< Events were lost.
    Broken,    ///< The socket fails; there will be no more events.
  };
  struct Received {
    Outcome outcome = Outcome::Empty;
    std::vector<std::byte> datagram;
  };
  [[nodiscard]] Received receive();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit UeventSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace periprox::physical

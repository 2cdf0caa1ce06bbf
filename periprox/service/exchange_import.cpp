#include "periprox/service/exchange_import.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "periprox/base/bytes.hpp"
#include "periprox/session/import_reply.hpp"
#include "periprox/session/urb_checks.hpp"

namespace periprox::service {
namespace {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using Clock = std::chrono::steady_clock;

Error broken(int number) { return errno_error(number, "the connection broke"); }

/// Waits until the socket can be read from or written to.
Result<void> await(int fd, short events, Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd ready{.fd = fd, .events = events, .revents = 0};
  const int count = left > 0 ? ::poll(&ready, 1, static_cast<int>(left)) : 0;
  if (count > 0) return {};
  if (count < 0) return tl::make_unexpected(broken(errno));
  return fail(Error::Kind::Failed, "the server did not answer", "no reply in time",
              "check the address and that a USB/IP server runs there");
}

/// Reads a struct of alignment 1, and not one byte more.
template <typename T>
Result<T> read_struct(int fd, Clock::time_point deadline) {
  T value{};
  auto rest = std::as_writable_bytes(std::span(&value, 1));
  while (!rest.empty()) {
    if (auto ready = await(fd, POLLIN, deadline); !ready) return forward_error(ready);
    const auto count = ::recv(fd, rest.data(), rest.size(), MSG_DONTWAIT);
    if (count == 0) {
      return fail(Error::Kind::Gone, "the server closed the connection",
                  "it did so before it had answered", "is it a USB/IP server?");
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR) return tl::make_unexpected(broken(errno));
    if (count > 0) rest = rest.subspan(static_cast<std::size_t>(count));
  }
  return value;
}

tl::unexpected<Error> malformed(std::string why) {
  return fail(Error::Kind::Malformed, "the server's answer makes no sense", std::move(why),
              "is it a USB/IP server?");
}

}  // namespace

Result<ImportedConnection> exchange_import(UniqueFd socket, const std::string& busid,
                                           Duration timeout) {
  const auto deadline = Clock::now() + timeout;
  const ImportRequest request{.busid = make_name<kBusIdSize>(busid)};
  // 40 bytes always fit into an empty socket buffer.
  if (::send(socket.get(), &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request)) {
    return tl::make_unexpected(broken(errno));
  }
  const auto header = read_struct<OpHeader>(socket.get(), deadline);
  if (!header) return tl::make_unexpected(header.error());
  if (auto why = session::judge_import_header(*header)) return malformed(std::move(*why));
  if (header->status != 0) {
    return tl::make_unexpected(session::import_refused(busid, header->status));
  }
  const auto record = read_struct<DeviceRecord>(socket.get(), deadline);
  if (!record) return tl::make_unexpected(record.error());
  auto address = session::decode_import(*record, busid);
  if (!address) return malformed(std::move(address).error().why);
  return ImportedConnection{.socket = std::move(socket),
                            .address = std::move(*address),
                            .speed = *usb::speed_from_code(record->speed)};
}

}  // namespace periprox::service

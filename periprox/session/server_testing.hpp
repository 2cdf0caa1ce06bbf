// A client's side of a UsbipServer in tests: CMDs in, replies out, and the device behind it in
// hand.
#pragma once

#include <utility>
#include <vector>

#include "periprox/session/testing.hpp"
#include "periprox/session/usbip_server.hpp"

namespace periprox::session::testing {

/// A server session in its URB phase, with a FakeDevice, talked to as a client does.
class ServerPeer {
 public:
  explicit ServerPeer(ServerLimits limits = {}, usb::DeviceModel model = test_model())
      : device(std::move(model)), server(exports.lease(device), limits) {
    server.set_waker(&waker);
  }

  /// Sends bytes; returns how many the session took.
  std::size_t send(Bytes bytes, std::size_t step = kAnySize) { return feed(server, bytes, step); }
  std::size_t submit(const Submit& cmd, Bytes data = {},
                     const std::vector<usbip::IsoDescriptor>& descriptors = {}) {
    expect(cmd.seqnum, cmd.endpoint, static_cast<std::int32_t>(descriptors.size()));
    return send(cmd_submit(cmd, data, descriptors));
  }
  std::size_t in(std::uint32_t seqnum, std::int32_t length,
                 usb::EndpointAddress endpoint = kBulkIn) {
    return submit({.seqnum = seqnum, .endpoint = endpoint, .length = length});
  }
  std::size_t out(std::uint32_t seqnum, Bytes data, usb::EndpointAddress endpoint = kBulkOut) {
    return submit(
        {.seqnum = seqnum, .endpoint = endpoint, .length = static_cast<std::int32_t>(data.size())},
        data);
  }
  std::size_t unlink(std::uint32_t seqnum, std::uint32_t target) {
    return send(cmd_unlink(seqnum, target));
  }
  void expect(std::uint32_t seqnum, usb::EndpointAddress endpoint, std::int32_t packets = 0) {
    reader.expect(seqnum, endpoint.is_in(), packets);
  }

  /// Everything that was answered since the last call.
  std::vector<Reply> replies() { return reader.read(collect(server)); }
  /// Reads all that is written; the one reply that must have come. At least one must have.
  Reply reply() {
    auto all = replies();
    if (all.size() != 1) std::abort();
    return std::move(all.front());
  }

  FakeExports exports;
  FakeDevice device;
  CountingWaker waker;
  UsbipServer server;
  ReplyReader reader;
};

}  // namespace periprox::session::testing

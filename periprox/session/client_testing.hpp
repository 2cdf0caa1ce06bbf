// A server's side of a UsbipClient in tests: reads what it sends, and answers what the test wants.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "periprox/session/testing.hpp"
#include "periprox/session/usbip_client.hpp"

namespace periprox::session::testing {

inline constexpr TimePoint kClientStart{std::chrono::hours(1)};
inline constexpr ClientLimits kClientLimits{.open_timeout = std::chrono::seconds(15),
                                            .unlink_timeout = std::chrono::seconds(5)};

inline usbip::ImportReply import_reply(const usb::DeviceModel& model = test_model()) {
  return {.device = usbip::encode_device(test_address(), model)};
}

/// A CMD that a client wrote, taken apart.
struct Cmd {
  usbip::Command command{};
  usbip::CmdSubmit header;
  std::uint32_t unlink_seqnum = 0;
  ByteVector data;
  std::vector<usbip::IsoDescriptor> descriptors;

  [[nodiscard]] std::uint32_t seqnum() const { return header.basic.seqnum; }
};

/// Takes the CMDs apart that stand in `bytes`, all of which must be whole.
inline std::vector<Cmd> read_commands(Bytes bytes) {
  std::vector<Cmd> commands;
  ByteReader reader(bytes);
  while (reader.left() > 0) {
    Cmd cmd;
    cmd.header = reader.take<usbip::CmdSubmit>().value();
    cmd.command = usbip::decode_command(cmd.header.basic.command).value();
    if (cmd.command == usbip::Command::CmdUnlink) {
      cmd.unlink_seqnum = std::bit_cast<usbip::CmdUnlink>(cmd.header).unlink_seqnum;
    } else {
      if (cmd.header.basic.direction == 0) {
        const auto data =
            reader.take_bytes(static_cast<std::size_t>(cmd.header.transfer_buffer_length)).value();
        cmd.data.assign(data.begin(), data.end());
      }
      for (std::int32_t i = 0; i < cmd.header.number_of_packets; ++i) {
        cmd.descriptors.push_back(reader.take<usbip::IsoDescriptor>().value());
      }
    }
    commands.push_back(std::move(cmd));
  }
  return commands;
}

/// A client session with a hand-driven server.
class ClientPeer {
 public:
  explicit ClientPeer(usb::DeviceModel served = test_model()) : model(std::move(served)) {
    client.set_waker(&waker);
    client.on_ready([this](Result<void> result) { ready = std::move(result); });
    client.on_gone([this] { ++gone; });
  }

  std::size_t send(Bytes bytes, std::size_t step = kAnySize) { return feed(client, bytes, step); }
  std::vector<Cmd> commands() { return read_commands(collect(client)); }
  /// The one CMD that was written since the last look.
  Cmd command() {
    auto all = commands();
    if (all.size() != 1) std::abort();
    return std::move(all.front());
  }

  /// Imports the device and answers for its descriptors until the client says that it is ready.
  ClientPeer& open() {
    if (collect(client).size() != sizeof(usbip::ImportRequest)) std::abort();
    send(to_vector(import_reply(model)));
    answer_descriptors();
    return *this;
  }
  void answer_descriptors() {
    while (!ready) {
      const auto cmd = command();
      const auto answer = descriptor_answer(model, cmd.header.setup);
      if (answer) {
        send(ret_in(cmd.seqnum(), *answer));
      } else {
        send(ret_submit({.seqnum = cmd.seqnum(), .status = -32}));
      }
    }
  }

  /// Submits an IN URB; returns the seqnum that the client gave it.
  std::uint32_t in(usb::EndpointAddress endpoint, std::uint32_t length,
                   usb::TransferType type = usb::TransferType::Bulk, std::uint64_t cookie = 0) {
    auto urb = make_in(done, endpoint, length, type, cookie);
    handle = urb.handle();
    client.submit(std::move(urb));
    return command().seqnum();
  }
  std::uint32_t out(usb::EndpointAddress endpoint, Bytes data, std::uint64_t cookie = 0) {
    auto urb = make_out(client, done, endpoint, data, usb::TransferType::Bulk, cookie);
    handle = urb.handle();
    client.submit(std::move(urb));
    return command().seqnum();
  }
  /// Submits an isochronous URB; OUT data is pattern(length).
  Cmd iso(usb::EndpointAddress endpoint, std::uint32_t length,
          const std::vector<usb::IsoPacket>& packets) {
    auto urb = endpoint.is_in() ? make_in(done, endpoint, length, usb::TransferType::Isochronous)
                                : make_out(client, done, endpoint, pattern(length),
                                           usb::TransferType::Isochronous);
    urb->iso_packets = packets;
    handle = urb.handle();
    client.submit(std::move(urb));
    return command();
  }
  [[nodiscard]] bool alive() const { return !client.finished(); }

  usb::DeviceModel model;
  CountingWaker waker;
  Completions done;
  std::optional<Result<void>> ready;
  int gone = 0;
  usb::UrbHandle handle;  ///< Of the URB submitted last.
  UsbipClient client{"1-1", kClientStart, kClientLimits};
};

}  // namespace periprox::session::testing

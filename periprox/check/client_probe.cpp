#include "periprox/check/client_probe.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "periprox/check/client_device.hpp"
#include "periprox/link/socket.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

constexpr std::int32_t kStall = -32;
constexpr std::int32_t kConnReset = -104;
/// More data than a client that examines nothing sends in one URB.
constexpr std::int32_t kLargestTransfer = 16 << 20;

BasicHeader basic_of(Command command, const ClientCommand& answered, bool repeats) {
  BasicHeader basic{.command = static_cast<std::uint32_t>(command), .seqnum = answered.seqnum()};
  if (repeats) {
    basic.devid = answered.header.basic.devid;
    basic.direction = answered.header.basic.direction;
    basic.ep = answered.header.basic.ep;
  }
  return basic;
}

}  // namespace

// ---- One session --------------------------------------------------------------------------------

ClientSession::ClientSession(Connection connection, ClientSays& says)
    : connection_(std::move(connection)), says_(says) {
  says_.begin_urbs();
}

ImportReply ClientSession::import_reply() { return {.device = client_record()}; }

void ClientSession::grant() { send(bytes_of(import_reply())); }

void ClientSession::send(Bytes bytes) {
  if (!style.byte_by_byte) return connection_.send(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) connection_.send(bytes.subspan(i, 1));
}

void ClientSession::require_end(std::string_view after_what) {
  switch (connection_.next()) {
    case Connection::Next::End:
      return;
    case Connection::Next::Byte:
      failed("the client goes on " + std::string(after_what));
    case Connection::Next::Nothing:
      failed("the client keeps the connection open " + std::string(after_what));
  }
}

std::optional<ClientCommand> ClientSession::next_command() {
  switch (connection_.next()) {
    case Connection::Next::End:
      return std::nullopt;
    case Connection::Next::Nothing:
      failed("the client says nothing any more");
    case Connection::Next::Byte:
      break;
  }
  return take_command();
}

ClientCommand ClientSession::take_command() {
  ClientCommand command{.header = connection_.receive_struct<CmdSubmit>("command")};
  const auto& header = command.header;
  const auto code = decode_command(header.basic.command);
  if (code == Command::CmdUnlink) {
    const auto unlink = std::bit_cast<CmdUnlink>(header);
    command.unlink_target = unlink.unlink_seqnum;
    says_.unlink(unlink, pending_);
    return command;
  }
  if (code != Command::CmdSubmit) {
    failed("the client sends command " + std::to_string(header.basic.command));
  }
  says_.submit(header, pending_);
  pending_.insert(command.seqnum());
  const std::int32_t length = header.transfer_buffer_length;
  if (length > kLargestTransfer || (length < 0 && !command.is_in())) {
    failed("the client sends a transfer_buffer_length of " + std::to_string(length));
  }
  if (!command.is_in() && length > 0) {
    (void)connection_.receive(static_cast<std::size_t>(length), "data");
  }
  const auto* place = says_.endpoint(header.basic);
  if (place != nullptr && place->type() == usb::TransferType::Isochronous) {
    const auto packets =
        std::clamp<std::int32_t>(header.number_of_packets, 0, static_cast<int>(kMaxIsoPackets));
    for (std::int32_t i = 0; i < packets; ++i) {
      command.iso.push_back(connection_.receive_struct<IsoDescriptor>("isochronous descriptor"));
    }
    says_.iso(header, command.iso);
  }
  return command;
}

std::optional<std::vector<std::byte>> ClientSession::control_answer(
    const ClientCommand& command) const {
  const auto& setup = command.header.setup;
  const bool is_string = setup.is_standard(usb::StandardRequest::GetDescriptor) &&
                         setup.wValue >> 8 == static_cast<int>(usb::DescriptorType::String);
  if (style.stalls_strings && is_string) return std::nullopt;
  return client_control(setup);
}

void ClientSession::answer(const ClientCommand& command) {
  if (command.unlink_target) {
    const bool was_pending = pending_.erase(*command.unlink_target) > 0;
    return reply_unlink(command, was_pending ? kConnReset : 0);
  }
  if (command.header.basic.ep == 0) {
    const auto data = control_answer(command);
    reply(command, data ? 0 : kStall, data.value_or(std::vector<std::byte>()));
    const auto& setup = command.header.setup;
    if (setup.is_set_configuration()) configured_ = setup.wValue == 1;
    if (setup.is_standard(usb::StandardRequest::GetDescriptor) &&
        setup.wValue == static_cast<int>(usb::DescriptorType::Configuration) << 8) {
      configuration_read_ = true;
    }
    return;
  }
  configured_ = true;  // Linux selects none when it takes the device for the one it had before.
  const auto* place = says_.endpoint(command.header.basic);
  if (place == nullptr) return reply(command, -2, {});
  if (place->type() == usb::TransferType::Interrupt) return;  // Nobody types.
  std::size_t length = 0;
  if (place->type() == usb::TransferType::Isochronous) {
    for (const auto& packet : command.iso) length += packet.length;  // Packed, without gaps.
  } else {
    length = static_cast<std::size_t>(std::max<int>(command.header.transfer_buffer_length, 0));
  }
  reply(command, 0, std::vector<std::byte>(std::min<std::size_t>(length, kLargestTransfer)));
}

void ClientSession::reply(const ClientCommand& command, std::int32_t status, Bytes data) {
  pending_.erase(command.seqnum());
  ByteWriter out;
  const bool moves_out = !command.is_in() && status == 0;
  const std::int32_t moved = moves_out ? std::int32_t{command.header.transfer_buffer_length}
                                       : static_cast<std::int32_t>(data.size());
  out.put(RetSubmit{.basic = basic_of(Command::RetSubmit, command, style.repeats_addresses),
                    .status = status,
                    .actual_length = moved,
                    .start_frame = command.header.start_frame,
                    .number_of_packets = command.header.number_of_packets});
  if (command.is_in()) out.put_bytes(data);
  for (auto packet : command.iso) {
    packet.actual_length = packet.length;
    packet.status = 0;
    out.put(packet);
  }
  send(out.release());
}

void ClientSession::reply_unlink(const ClientCommand& command, std::int32_t status) {
  pending_.erase(*command.unlink_target);
  send(bytes_of(RetUnlink{.basic = basic_of(Command::RetUnlink, command, style.repeats_addresses),
                          .status = status}));
}

bool ClientSession::serve_until_configured() {
  return serve_until_configured([](const ClientCommand&) { return false; });
}

bool ClientSession::serve_until_configured(const std::function<bool(const ClientCommand&)>& own) {
  while (!configured_) {
    const auto command = next_command();
    if (!command) return configuration_read_;
    if (!own(*command)) answer(*command);
  }
  return true;
}

void ClientSession::require_configured() {
  require(serve_until_configured(),
          "the client ended the connection before it had read the configuration");
}

// ---- Clients ------------------------------------------------------------------------------------

ClientProbe::ClientProbe(UniqueFd listener, Duration patience)
    : listener_(std::move(listener)),
      patience_(patience),
      says_(client_configuration(), client_devid()) {}

void ClientProbe::begin_case(Duration limit) { deadline_ = now() + limit; }

UniqueFd ClientProbe::accept() {
  const auto until = std::min(now() + patience_, deadline_);
  while (now() < until) {
    pollfd wanted{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now()).count();
    if (::poll(&wanted, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000))) <= 0) {
      continue;
    }
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) return socket;
  }
  is_deserted_ = true;
  not_applicable("no client came");
}

/// Deals with the request of a client; true when it asks for the device.
bool ClientProbe::wants_import(Connection& connection) {
  const auto header = connection.receive_struct<OpHeader>("request");
  says_.request(header);
  if (header.code == static_cast<std::uint16_t>(OpCode::DevlistRequest)) {
    ByteWriter out;
    out.put(DevlistReplyHead{.device_count = 1U});
    out.put(client_record());
    for (const auto& interface : client_configuration().interfaces) {
      const auto& descriptor = interface.alternate_settings.front().descriptor;
      out.put(InterfaceRecord{.bInterfaceClass = descriptor.bInterfaceClass,
                              .bInterfaceSubClass = descriptor.bInterfaceSubClass,
                              .bInterfaceProtocol = descriptor.bInterfaceProtocol});
    }
    connection.send(out.release());
    connection.close();
    return false;
  }
  if (header.code != static_cast<std::uint16_t>(OpCode::ImportRequest)) return false;
  const auto busid = connection.receive_struct<NameField<kBusIdSize>>("bus id");
  says_.import(busid);
  if (name_in(busid) == std::string_view(kBusId)) return true;
  const auto status = static_cast<std::uint32_t>(OpStatus::NoSuchDevice);
  connection.send_struct(
      OpHeader{.code = static_cast<std::uint16_t>(OpCode::ImportReply), .status = status});
  connection.close();
  return false;
}

ClientSession ClientProbe::wait_for_client() {
  while (true) {
    auto socket = accept();
    link::tune_socket(socket.get());
    Connection connection(std::move(socket), {patience_, deadline_});
    try {
      if (!wants_import(connection)) continue;
    } catch (const Settled&) {
      continue;  // It left, or asks for nothing: the next one.
    }
    return {std::move(connection), says_};
  }
}

}  // namespace periprox::check

#include "periprox/check/imported.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "periprox/usb/descriptors.hpp"
#include "periprox/usb/status.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

std::string seqnum_text(std::uint32_t seqnum) { return "seqnum " + std::to_string(seqnum); }

}  // namespace

std::string status_text(std::int32_t status) {
  if (status == 0) return "0";
  return std::to_string(status) + " (" + std::string(usb::status_name(decode_status(status))) + ")";
}

std::vector<std::byte> encode_submit(const Submit& submit, std::uint32_t seqnum,
                                     std::uint32_t devid) {
  ByteWriter out;
  out.put(CmdSubmit{.basic = {.command = static_cast<std::uint32_t>(Command::CmdSubmit),
                              .seqnum = seqnum,
                              .devid = devid,
                              .direction = submit.in ? 1U : 0U,
                              .ep = submit.ep},
                    .transfer_flags = submit.flags,
                    .transfer_buffer_length = submit.length,
                    .start_frame = submit.start_frame,
                    .number_of_packets = submit.number_of_packets,
                    .interval = submit.interval,
                    .setup = submit.setup});
  out.put_bytes(submit.data);
  for (const auto& descriptor : submit.iso) out.put(descriptor);
  return out.release();
}

CmdUnlink encode_unlink(std::uint32_t target, std::uint32_t seqnum, std::uint32_t devid) {
  return {.basic = {.command = static_cast<std::uint32_t>(Command::CmdUnlink),
                    .seqnum = seqnum,
                    .devid = devid},
          .unlink_seqnum = target};
}

Imported::Imported(Connection connection, const DeviceRecord& record)
    : connection_(std::move(connection)), record_(record) {}

std::uint32_t Imported::devid() const { return record_.busnum << 16 | record_.devnum; }

std::uint32_t Imported::expect(const Submit& submit) {
  const auto seqnum = ++last_seqnum_;
  pending_[seqnum] = {submit.in, submit.length, submit.iso.size()};
  return seqnum;
}

std::uint32_t Imported::submit(const Submit& submit) {
  const auto seqnum = expect(submit);
  connection_.send(encode_submit(submit, seqnum, devid()));
  return seqnum;
}

std::uint32_t Imported::unlink(std::uint32_t target) {
  const auto seqnum = ++last_seqnum_;
  unlinks_[seqnum] = target;
  connection_.send_struct(encode_unlink(target, seqnum, devid()));
  return seqnum;
}

Reply Imported::next_reply() {
  if (!kept_.empty()) {
    auto reply = std::move(kept_.front());
    kept_.erase(kept_.begin());
    return reply;
  }
  Reply reply;
  reply.header = connection_.receive_struct<RetSubmit>("reply");
  reply.seqnum = reply.header.basic.seqnum;
  reply.status = reply.header.status;
  const auto command = decode_command(reply.header.basic.command);
  if (command == Command::RetSubmit) return take_submit_reply(std::move(reply));
  if (command == Command::RetUnlink) return take_unlink_reply(std::move(reply));
  failed("where a reply should begin stands command " + std::to_string(reply.header.basic.command) +
         ": the stream is out of step");
}

Reply Imported::take_submit_reply(Reply reply) {
  const auto found = pending_.find(reply.seqnum);
  if (found == pending_.end()) {
    const auto gone = given_back_.find(reply.seqnum);
    if (gone != given_back_.end()) {
      failed("RET_SUBMIT for " + seqnum_text(reply.seqnum) + " came after its RET_UNLINK(" +
             std::to_string(gone->second) + ")");
    }
    failed("RET_SUBMIT for " + seqnum_text(reply.seqnum) + ", which is not pending");
  }
  const auto pending = found->second;
  pending_.erase(found);
  const auto actual = reply.actual_length();
  if (actual < 0 || actual > std::max(0, pending.length)) {
    failed("actual_length " + std::to_string(actual) + " for a transfer of " +
           std::to_string(pending.length) + " bytes");
  }
  if (pending.in) {
    reply.data = connection_.receive(static_cast<std::size_t>(actual), "data of a RET_SUBMIT");
  }
  for (std::size_t i = 0; i < pending.iso_packets; ++i) {
    reply.iso.push_back(connection_.receive_struct<IsoDescriptor>("isochronous descriptor"));
  }
  return reply;
}

Reply Imported::take_unlink_reply(Reply reply) {
  reply.command = Command::RetUnlink;
  const auto found = unlinks_.find(reply.seqnum);
  if (found == unlinks_.end()) {
    failed("RET_UNLINK for " + seqnum_text(reply.seqnum) + ", which is no pending UNLINK");
  }
  // Whatever the status: the importer gives the URB back now, and expects no RET_SUBMIT any more.
  if (pending_.erase(found->second) > 0) given_back_[found->second] = reply.status;
  unlinks_.erase(found);
  return reply;
}

Reply Imported::reply_to(std::uint32_t seqnum) {
  const auto is_it = [seqnum](const Reply& reply) { return reply.seqnum == seqnum; };
  if (const auto kept = std::ranges::find_if(kept_, is_it); kept != kept_.end()) {
    auto reply = std::move(*kept);
    kept_.erase(kept);
    return reply;
  }
  std::vector<Reply> others = std::exchange(kept_, {});
  while (true) {
    auto reply = next_reply();
    if (reply.seqnum == seqnum) {
      kept_ = std::move(others);
      return reply;
    }
    others.push_back(std::move(reply));
  }
}

bool Imported::has_reply(std::uint32_t seqnum, Duration how_long) {
  const auto until = now() + how_long;
  const auto is_it = [seqnum](const Reply& reply) { return reply.seqnum == seqnum; };
  while (std::ranges::none_of(kept_, is_it)) {
    const auto left = until - now();
    if (left <= Duration::zero() || connection_.next(left) != Connection::Next::Byte) return false;
    auto others = std::exchange(kept_, {});
    others.push_back(next_reply());
    kept_ = std::move(others);
  }
  return true;
}

// ---- Requests -----------------------------------------------------------------------------------

Submit control(const usb::SetupPacket& setup) {
  return {.in = setup.is_in(), .length = setup.wLength, .setup = setup};
}

Submit get_descriptor(usb::DescriptorType type, std::uint8_t index, std::uint16_t length) {
  return control(usb::SetupPacket::get_descriptor(static_cast<std::uint8_t>(type), index, length));
}

Submit get_device_descriptor() { return get_descriptor(usb::DescriptorType::Device, 0, 18); }

void require_works(Imported& device, std::string_view when) {
  const auto reply = device.run(get_device_descriptor());
  const auto descriptor = read_as<usb::DeviceDescriptor>(reply.data);
  if (reply.status != 0 || !descriptor) {
    failed(std::string(when) + " GET_DESCRIPTOR(device) ends with status " +
           status_text(reply.status) + " and " + std::to_string(reply.data.size()) + " bytes");
  }
  require(descriptor->idVendor == device.record().idVendor &&
              descriptor->idProduct == device.record().idProduct,
          std::string(when) + " the device descriptor has other ids than the import reply");
}

Reply require_ok(Imported& device, const Submit& submit, std::string_view what) {
  auto reply = device.run(submit);
  if (reply.status != 0) {
    failed(std::string(what) + " ends with status " + status_text(reply.status));
  }
  return reply;
}

}  // namespace periprox::check

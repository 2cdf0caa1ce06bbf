// The management phase of a server session: one request, DEVLIST or IMPORT, and its answer.
#include <utility>

#include "periprox/session/urb_checks.hpp"
#include "periprox/session/usbip_server.hpp"

namespace periprox::session {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

bool UsbipServer::read_op_header() {
  message_offset_ = receiver_.offset();
  const auto header = receiver_.take<OpHeader>();
  if (!header) return false;
  if (header->version != kVersion) {
    malformed("version " + std::to_string(header->version) + " is not " + std::to_string(kVersion));
    return false;
  }
  switch (static_cast<OpCode>(std::uint16_t{header->code})) {
    case OpCode::DevlistRequest:
      put_devlist();
      close();
      return false;
    case OpCode::ImportRequest:
      state_ = State::ImportBody;
      return true;
    default:
      malformed("operation " + std::to_string(header->code) + " is none that a server answers");
      return false;
  }
}

bool UsbipServer::read_import_body() {
  const auto field = receiver_.take<NameField<kBusIdSize>>();
  if (!field) return false;
  state_ = State::Claiming;
  deadline_.reset();
  const auto busid = name_in(*field);
  if (!busid) {
    put_op_status(OpCode::ImportReply, OpStatus::NoSuchDevice);
    malformed("the bus id has no end");
    return false;
  }
  exports_->claim(*busid, peer_, [self = self_](Exports::ClaimResult result) {
    if (*self != nullptr) (*self)->claimed(std::move(result));
  });
  return true;
}

void UsbipServer::claimed(Exports::ClaimResult result) {
  if (state_ != State::Claiming) return;  // The client left meanwhile; the lease goes back.
  if (auto* status = std::get_if<OpStatus>(&result)) {
    put_op_status(OpCode::ImportReply, *status);
    close();
    changed();
    return;
  }
  auto& lease = std::get<Lease>(result);
  sender_.put_struct(ImportReply{.device = encode_device(lease.address(), lease.device().model())});
  begin_urbs(std::move(lease));
  process();
  changed();
}

void UsbipServer::put_devlist() { sender_.put(encode_devlist(exports_->list())); }

void UsbipServer::put_op_status(OpCode code, OpStatus status) {
  sender_.put_struct(OpHeader{.code = static_cast<std::uint16_t>(code),
                              .status = static_cast<std::uint32_t>(status)});
}

}  // namespace periprox::session

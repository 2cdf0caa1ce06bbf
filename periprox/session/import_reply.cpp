#include "periprox/session/import_reply.hpp"

namespace periprox::session {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

std::optional<std::string> judge_import_header(const OpHeader& header) {
  const bool is_reply =
      header.version == kVersion && header.code == static_cast<std::uint16_t>(OpCode::ImportReply);
  if (is_reply) return std::nullopt;
  return "this is no reply to an import; version " + std::to_string(header.version) + ", code " +
         std::to_string(header.code);
}

Error import_refused(const std::string& busid, std::uint32_t status) {
  const auto kind = status == static_cast<std::uint32_t>(OpStatus::DeviceBusy)
                        ? Error::Kind::Busy
                        : Error::Kind::NotFound;
  return {kind, "the server refuses to export " + busid, op_status_text(status),
          "`periprox list` with the server's address shows what it offers"};
}

}  // namespace periprox::session

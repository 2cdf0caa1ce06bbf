// What the head of a reply to an import must satisfy; urb_checks.hpp judges the record behind it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "periprox/base/result.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session {

/// Why a message is no reply to an import; empty when it is one, if only a refusal.
[[nodiscard]] std::optional<std::string> judge_import_header(const wire::usbip::OpHeader& header);
/// What a person is told about a refusal; `status` is the header's.
[[nodiscard]] Error import_refused(const std::string& busid, std::uint32_t status);

}  // namespace periprox::session

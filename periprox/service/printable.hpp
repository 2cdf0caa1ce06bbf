// Text that strangers chose, made fit for a terminal and a log.
#pragma once

#include <string>
#include <string_view>

namespace periprox::service {

/// At most `limit` bytes of `text`; whatever is not printable ASCII becomes '?'.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 256);

}  // namespace periprox::service

// The import of a device by plain calls, for a connection that goes to the kernel afterwards.
#pragma once

#include <string>

#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/service/remote_opener.hpp"

namespace periprox::service {

/// Asks for `busid` on a connected socket and checks the answer. Reads the 320 bytes of the reply
/// and not one more: what follows belongs to whoever gets the socket. Blocks for at most `timeout`;
/// a signal ends it early.
[[nodiscard]] Result<ImportedConnection> exchange_import(UniqueFd socket, const std::string& busid,
                                                         Duration timeout);

}  // namespace periprox::service

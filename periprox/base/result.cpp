#include "periprox/base/result.hpp"

#include <cerrno>
#include <system_error>

namespace periprox {

std::string Error::text() const {
  std::string line = what;
  if (!why.empty()) line += ": " + why;
  if (!hint.empty()) line += " (" + hint + ")";
  return line;
}

Error errno_error(int number, std::string what, std::string hint) {
  auto kind = Error::Kind::Failed;
  switch (number) {
    case EACCES:
    case EPERM:
      kind = Error::Kind::NoPermission;
      break;
    case ENOENT:
      kind = Error::Kind::NotFound;
      break;
    case EBUSY:
    case EADDRINUSE:
      kind = Error::Kind::Busy;
      break;
    case ENODEV:
    case EPIPE:
    case ESHUTDOWN:
      kind = Error::Kind::Gone;
      break;
    case ENOTSUP:
    case ENOSYS:
    case EAFNOSUPPORT:
      kind = Error::Kind::NotSupported;
      break;
    default:
      break;
  }
  return {kind, std::move(what), std::generic_category().message(number), std::move(hint)};
}

}  // namespace periprox

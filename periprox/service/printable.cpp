#include "periprox/service/printable.hpp"

#include <algorithm>

namespace periprox::service {

std::string printable(std::string_view text, std::size_t limit) {
  std::string safe(text.substr(0, limit));
  std::replace_if(
      safe.begin(), safe.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return safe;
}

}  // namespace periprox::service

#include "periprox/app/descriptor_limit.hpp"

#include <sys/resource.h>

namespace periprox::app {

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE,
              &limit);  // Else the limit stays; connections then wait to be accepted.
}

}  // namespace periprox::app

// What a fuzz target insists on beyond not crashing.
#pragma once

#include <cstdio>
#include <cstdlib>

/// Aborts, with the place, when a property that must hold for every input does not.
#define PERIPROX_REQUIRE(condition)                                                       \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

// Fault rules in a TOML file, for those who have many.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"

namespace periprox::service {

struct FaultFile {
  std::vector<std::string> rules;  ///< As they would stand after --fault.
  std::optional<std::uint64_t> seed;
};

/// Reads a file with a [[fault]] table for each rule: actions and selectors are its keys, an action
/// without a value is true. "seed = 7" may stand before them.
[[nodiscard]] Result<FaultFile> read_fault_file(const std::string& path);

}  // namespace periprox::service

// What a person may put in front of the devices that a verb uses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace periprox::service {

struct StageOptions {
  /// What Wireshark reads at most.
  static constexpr std::uint32_t kDefaultSnapLength = 262'080;

  std::string capture;  ///< File that traffic is written to; "-" is standard output.
  std::uint32_t snap_length = kDefaultSnapLength;  ///< Most bytes of data kept of an URB.
  std::uint64_t capture_size = 0;   ///< Bytes after which a new file begins; 0 = never.
  std::uint32_t capture_files = 2;  ///< How many of them are kept.
  bool watchable = false;           ///< Captures may begin at any time.
  std::vector<std::string> faults;  ///< Rules, or TOML files that hold them.
  std::optional<std::uint64_t> seed;
  std::vector<std::string> limits;  ///< Rules.

  /// True when the capture goes where the verb's own output would.
  [[nodiscard]] bool takes_standard_output() const { return capture == "-"; }
};

}  // namespace periprox::service

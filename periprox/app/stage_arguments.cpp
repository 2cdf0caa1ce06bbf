#include "periprox/app/stage_arguments.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>

namespace periprox::app {
namespace {

/// A file has room for the descriptors of its devices and some traffic.
constexpr std::uint64_t kSmallestFile = 64 << 10;
constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 50;
constexpr std::uint32_t kMostFiles = 10'000;

/// The help says in words what is allowed.
template <typename T>
CLI::Validator range(T least, T most) {
  return CLI::Range(least, most).description("");
}

}  // namespace

void add_stage_options(CLI::App& verb, service::StageOptions& options) {
  constexpr auto kGroup = "Seeing and disturbing";
  auto* capture =
      verb.add_option(
              "--capture", options.capture,
              "Writes all traffic to FILE (pcapng; '-' = standard output, *.zst = compressed)")
          ->type_name("FILE")
          ->group(kGroup);
  verb.add_option("--snaplen", options.snap_length,
                  "Most bytes of data kept of each transfer (default: 262080)")
      ->type_name("BYTES")
      ->check(range<std::uint32_t>(0, service::StageOptions::kDefaultSnapLength))
      ->needs(capture)
      ->group(kGroup);
  auto* size = verb.add_option("--capture-size", options.capture_size,
                               "Begins a new file after SIZE, such as 64M; older ones become "
                               "FILE.1, FILE.2, ...")
                   ->type_name("SIZE")
                   ->transform(CLI::AsSizeValue(false).description(""))
                   ->check(range(kSmallestFile, kLargestFile))
                   ->needs(capture)
                   ->group(kGroup);
  verb.add_option("--capture-files", options.capture_files,
                  "How many of these files are kept (default: 2)")
      ->type_name("N")
      ->check(range<std::uint32_t>(2, kMostFiles))
      ->needs(size)
      ->group(kGroup);
  auto* faults =
      verb.add_option("--fault", options.faults,
                      "Makes transfers go wrong, such as stall,ep=0x81,nth=3; may be repeated; "
                      "*.toml holds many")
          ->type_name("RULE")
          ->take_all()
          ->allow_extra_args(false)
          ->group(kGroup);
  verb.add_option("--seed", options.seed, "Repeats the faults of the run that named this number")
      ->type_name("N")
      ->needs(faults)
      ->group(kGroup);
  verb.add_option("--limit", options.limits,
                  "Keeps transfers within bounds, such as bytes=10M, urbs=500, breaker or orphans; "
                  "may be repeated")
      ->type_name("RULE")
      ->take_all()
      ->allow_extra_args(false)
      ->group(kGroup);
}

}  // namespace periprox::app

#include "periprox/check/suite.hpp"

#include <algorithm>

namespace periprox::check {
namespace {

Outcome outcome_of(const Case& each, Probe& probe, const RunOptions& options) {
  if (std::ranges::find(options.skip, each.name) != options.skip.end()) {
    return {Verdict::NotApplicable, "skipped by the command line"};
  }
  if (each.touch == Touch::Changes && !options.changes) {
    return {Verdict::NotApplicable, "it changes the device: needs --yes"};
  }
  return run_case(each, probe, options.case_limit);
}

/// The configuration that was active before the first case.
void restore(Probe& probe, std::uint8_t configuration) {
  const Case last{.name = "restore", .run = [configuration](Probe& server) {
                    auto device = server.import();
                    if (configuration != 0) server.go_to(device, {.configuration = configuration});
                    device.connection().close();
                  }};
  (void)run_case(last, probe, std::chrono::seconds(10));
}

}  // namespace

void Counts::add(Verdict verdict) {
  ++(verdict == Verdict::Pass ? passed : verdict == Verdict::Fail ? failed : not_applicable);
}

std::vector<const Case*> chosen(const std::vector<Case>& cases, const RunOptions& options) {
  std::vector<const Case*> chosen;
  for (const auto& each : cases) {
    const bool matches =
        options.match.empty() || std::ranges::any_of(options.match, [&](const auto& part) {
          return each.name.find(part) != std::string::npos;
        });
    if (matches) chosen.push_back(&each);
  }
  return chosen;
}

Counts run_suite(const std::vector<Case>& cases, const Target& target, const RunOptions& options,
                 const Watcher& watcher) {
  Probe probe(target);
  std::optional<std::uint8_t> configuration;
  if (options.changes) {
    const Case survey{.name = "survey", .run = [&](Probe& server) {
                        configuration = server.survey().record.bConfigurationValue;
                      }};
    (void)run_case(survey, probe, options.case_limit);
  }
  Counts counts;
  for (const auto* each : chosen(cases, options)) {
    watcher.begins(*each);
    const auto outcome = outcome_of(*each, probe, options);
    watcher.ended(*each, outcome);
    counts.add(outcome.verdict);
  }
  if (configuration) restore(probe, *configuration);
  return counts;
}

}  // namespace periprox::check

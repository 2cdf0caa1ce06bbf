#include <algorithm>

#include "periprox/check/client_cases.hpp"

namespace periprox::check {
namespace {

/// Of a case about what clients do.
Outcome outcome_of(const ClientCase& each, ClientProbe& probe, const RunOptions& options) {
  if (probe.is_deserted()) return {Verdict::NotApplicable, "no client came"};
  try {
    probe.begin_case(options.case_limit);
    each.run(probe);
    return {};
  } catch (const Settled& settled) {
    return {settled.verdict, settled.reason};
  }
}

}  // namespace

std::vector<Case> client_case_texts() {
  std::vector<Case> texts;
  for (const auto& each : client_cases()) texts.push_back(each.text);
  const auto& said = ClientSays::cases();
  texts.insert(texts.end(), said.begin(), said.end());
  return texts;
}

Counts run_client_suite(ClientProbe& probe, const RunOptions& options, const Watcher& watcher) {
  const auto texts = client_case_texts();
  Counts counts;
  for (const auto* text : chosen(texts, options)) {
    watcher.begins(*text);
    const auto& acts = client_cases();
    const auto act = std::ranges::find_if(
        acts, [text](const ClientCase& each) { return each.text.name == text->name; });
    const bool skipped = std::ranges::find(options.skip, text->name) != options.skip.end();
    const auto outcome = skipped ? Outcome{Verdict::NotApplicable, "skipped by the command line"}
                         : act != acts.end() ? outcome_of(*act, probe, options)
                                             : probe.says().outcome(text->name);
    watcher.ended(*text, outcome);
    counts.add(outcome.verdict);
  }
  return counts;
}

}  // namespace periprox::check

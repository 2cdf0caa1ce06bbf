#include "periprox/check/case.hpp"

#include <iterator>

#include "periprox/check/probe.hpp"

namespace periprox::check {

Outcome run_case(const Case& each, Probe& probe, Duration limit) {
  try {
    probe.begin_case(limit);
    each.run(probe);
    return {};
  } catch (const Settled& settled) {
    return {settled.verdict, settled.reason};
  }
}

const std::vector<Case>& server_cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> cases;
    for (const auto group :
         {management_cases, import_cases, header_cases, control_cases, request_cases, unlink_cases,
          bulk_cases, iso_cases, flow_cases, end_cases}) {
      auto some = group();
      cases.insert(cases.end(), std::make_move_iterator(some.begin()),
                   std::make_move_iterator(some.end()));
    }
    return cases;
  }();
  return all;
}

}  // namespace periprox::check

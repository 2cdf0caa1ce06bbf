// One run of the suite: which cases, against which server, and what came of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {

struct RunOptions {
  std::vector<std::string> match;  ///< Only cases whose names contain one of these; empty: all.
  std::vector<std::string> skip;   ///< Names of cases that are not run.
  bool changes = false;            ///< Also the cases that change the device.
  Duration case_limit = std::chrono::seconds(90);  ///< No case runs longer.
};

/// The cases that the options choose; those that are not run for another reason are among them.
[[nodiscard]] std::vector<const Case*> chosen(const std::vector<Case>& cases,
                                              const RunOptions& options);

struct Counts {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t not_applicable = 0;

  void add(Verdict verdict);
};

/// Told before and after each case.
struct Watcher {
  std::function<void(const Case&)> begins;
  std::function<void(const Case&, const Outcome&)> ended;
};

/// Runs the chosen cases one after the other and, where they changed it, gives the device its
/// configuration back. Blocks; each wait is bounded.
Counts run_suite(const std::vector<Case>& cases, const Target& target, const RunOptions& options,
                 const Watcher& watcher);

}  // namespace periprox::check

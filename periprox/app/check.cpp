// periprox check: the conformance suite of the check room, on a terminal and for programs.
#include <unistd.h>

#include <algorithm>

#include "periprox/app/json.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/check/suite.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/printable.hpp"

namespace periprox::app {
namespace {

constexpr std::size_t kNameWidth = 36;

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

Result<check::Target> target_of(const CheckOptions& options) {
  const auto what = "cannot examine '" + options.device + "'";
  auto locator = service::parse_locator(options.device);
  if (!locator) return forward_error(locator);
  const auto* remote = std::get_if<service::RemoteLocator>(&*locator);
  if (remote == nullptr) {
    return fail(Error::Kind::Usage, what, "it is at no server",
                "export it with `periprox serve` and name it usbip://127.0.0.1/BUSID");
  }
  if (remote->device.busid.empty()) {
    return fail(Error::Kind::Usage, what, "it is not named by a bus id",
                "`periprox list " + options.device.substr(0, options.device.rfind('/')) +
                    "` tells the bus ids");
  }
  return check::Target{remote->server, remote->device.busid, options.timeout};
}

/// Prints cases as they end; on a terminal also which one is under way.
class Report {
 public:
  Report(bool json, Output& output) : json_(json), output_(output) {}

  void begins(const check::Case& each) {
    if (!json_ && output_.is_terminal()) (void)output_.write("...   " + each.name);
  }
  void ended(const check::Case& each, const check::Outcome& outcome) {
    if (json_) {
      (void)output_.write(case_json(each, &outcome));
      return;
    }
    std::string line = output_.is_terminal() ? "\r\033[K" : "";
    switch (outcome.verdict) {
      case check::Verdict::Pass:
        line += "pass  " + each.name;
        break;
      case check::Verdict::NotApplicable:
        line += "-     " + padded(each.name, kNameWidth) + outcome.reason;
        break;
      case check::Verdict::Fail:
        line += "FAIL  " + padded(each.name, kNameWidth) + service::printable(outcome.reason, 400) +
                "\n      expected: it " + std::string(each.what) + "\n      see " +
                std::string(each.reference);
        break;
    }
    (void)output_.write(line + '\n');
  }

 private:
  bool json_;
  Output& output_;
};

Result<void> list_cases(const std::vector<const check::Case*>& cases, bool json, Output& output) {
  std::string text;
  for (const auto* each : cases) {
    if (json) {
      text += case_json(*each, nullptr);
    } else {
      const bool changes = each->touch == check::Touch::Changes;
      text += padded(each->name, kNameWidth) + (changes ? "--yes  " : "       ") +
              std::string(each->what) + "\n" + padded("", kNameWidth + 7) +
              std::string(each->reference) + "\n";
    }
  }
  return output.write(text);
}

}  // namespace

Result<void> check(const CheckOptions& options, Output& output) {
  const check::RunOptions run{.match = options.match, .skip = options.skip, .changes = options.yes};
  const auto& cases = check::server_cases();
  for (const auto& name : options.skip) {
    if (std::ranges::find(cases, name, &check::Case::name) == cases.end()) {
      return fail(Error::Kind::Usage, "cannot skip '" + name + "'", "there is no such case",
                  "`periprox check --list` lists them");
    }
  }
  const auto chosen = check::chosen(cases, run);
  if (chosen.empty()) {
    return fail(Error::Kind::Usage, "there is nothing to check", "no case has such a name",
                "`periprox check --list` lists them");
  }
  if (options.list) return list_cases(chosen, options.json, output);
  if (options.device.empty()) {
    return fail(Error::Kind::Usage, "cannot understand the command line", "DEVICE is missing",
                "`periprox check --help` shows how it is used");
  }
  const auto target = target_of(options);
  if (!target) return tl::make_unexpected(target.error());
  // A server that is not there is one error, not a hundred failed cases.
  if (auto reached = check::connect_to(target->server, target->patience); !reached) {
    return forward_error(reached);
  }

  Report report(options.json, output);
  const auto counts = check::run_suite(
      cases, *target, run,
      {.begins = [&](const check::Case& each) { report.begins(each); },
       .ended = [&](const check::Case& each,
                    const check::Outcome& outcome) { report.ended(each, outcome); }});
  auto written = output.write(
      options.json ? counts_json(counts)
                   : std::to_string(counts.passed) + " passed, " + std::to_string(counts.failed) +
                         " failed, " + std::to_string(counts.not_applicable) + " not applicable\n");
  if (!written || counts.failed == 0) return written;
  return fail(
      Error::Kind::Failed, options.device + " does not conform",
      std::to_string(counts.failed) + " of " + std::to_string(chosen.size()) + " cases failed");
}

}  // namespace periprox::app

// periprox check: the conformance suites of the check room, for servers and for clients, on a
// terminal and for programs.
#include <unistd.h>

#include <algorithm>

#include "periprox/app/json.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/check/client_cases.hpp"
#include "periprox/check/suite.hpp"
#include "periprox/link/address.hpp"
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

/// Has `report` watch a suite.
check::Watcher watcher_of(Report& report) {
  return {.begins = [&report](const check::Case& each) { report.begins(each); },
          .ended = [&report](const check::Case& each,
                             const check::Outcome& outcome) { report.ended(each, outcome); }};
}

/// The last line, and whether `who` conforms.
Result<void> conclude(const check::Counts& counts, const std::string& who, bool json,
                      Output& output) {
  auto written = output.write(
      json ? counts_json(counts)
           : std::to_string(counts.passed) + " passed, " + std::to_string(counts.failed) +
                 " failed, " + std::to_string(counts.not_applicable) + " not applicable\n");
  if (!written || counts.failed == 0) return written;
  const auto all = counts.passed + counts.failed + counts.not_applicable;
  return fail(Error::Kind::Failed, who + " does not conform",
              std::to_string(counts.failed) + " of " + std::to_string(all) + " cases failed");
}

Result<void> check_server(const CheckOptions& options, const check::RunOptions& run,
                          Output& output) {
  const auto target = target_of(options);
  if (!target) return tl::make_unexpected(target.error());
  // A server that is not there is one error, not a hundred failed cases.
  if (auto reached = check::connect_to(target->server, target->patience); !reached) {
    return forward_error(reached);
  }
  Report report(options.json, output);
  const auto counts = check::run_suite(check::server_cases(), *target, run, watcher_of(report));
  return conclude(counts, options.device, options.json, output);
}

Result<void> check_client(const CheckOptions& options, check::RunOptions run, Output& output) {
  auto address = link::parse_address(options.listen, wire::usbip::kDefaultPort);
  if (!address) return forward_error(address);
  if (address->kind == link::Address::Kind::Vsock) {
    return fail(Error::Kind::Usage, "cannot listen on " + address->text(),
                "clients are examined over TCP and Unix sockets only", "give another --listen");
  }
  auto listener = check::listen_at(*address);
  if (!listener) return forward_error(listener);
  if (!options.json) {
    auto told = output.write("attach " + std::string(check::ClientProbe::kBusId) + " from " +
                             address->text() + ", again and again\n");
    if (!told) return told;
  }
  // A case may wait for the client to come, and then several times for what it says.
  run.case_limit = 4 * options.timeout;
  Report report(options.json, output);
  check::ClientProbe probe(std::move(*listener), options.timeout);
  const auto counts = check::run_client_suite(probe, run, watcher_of(report));
  if (address->kind == link::Address::Kind::Unix) ::unlink(address->path.c_str());
  if (probe.is_deserted() && counts.passed + counts.failed == 0) {
    return fail(Error::Kind::Failed, "cannot examine a client", "no client came",
                "attach its device while it runs, e.g. `usbip attach -r 127.0.0.1 -b 1-1`");
  }
  return conclude(counts, "the client", options.json, output);
}

}  // namespace

Result<void> check(const CheckOptions& options, Output& output) {
  const check::RunOptions run{.match = options.match, .skip = options.skip, .changes = options.yes};
  const auto cases = options.client ? check::client_case_texts() : check::server_cases();
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
  if (options.client != options.device.empty()) {
    return fail(
        Error::Kind::Usage, "cannot understand the command line",
        options.client ? "with --client there is no DEVICE to examine" : "DEVICE is missing",
        "`periprox check --help` shows how it is used");
  }
  return options.client ? check_client(options, run, output) : check_server(options, run, output);
}

}  // namespace periprox::app

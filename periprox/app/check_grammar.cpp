#include "periprox/app/check_grammar.hpp"

#include <CLI/CLI.hpp>

namespace periprox::app {
namespace {

constexpr const char* kExamples =
    "DEVICE is usbip://HOST[:PORT]/BUSID or usbip+unix:///PATH/BUSID.\n"
    "\n"
    "With --client it is a server, and examines the client that attaches its device, 1-1, again\n"
    "and again: each time it behaves in another way, until all cases are told.\n"
    "\n"
    "Without --yes only standard GET requests reach the device. With it, data is written to it,\n"
    "its configuration is changed and it is reset: use a device made for that.\n"
    "\n"
    "Examples:\n"
    "  periprox check usbip://127.0.0.1/1-1\n"
    "  periprox check usbip://127.0.0.1/1-1 --yes -k unlink -k bulk\n"
    "  periprox check usbip+unix:///run/p.sock/1-1 --yes --json\n"
    "  periprox check --client      # and elsewhere, again and again: usbip attach -r HOST -b 1-1\n"
    "  periprox check --list\n";

}  // namespace

CLI::App* describe_check(CLI::App& app, CheckOptions& options, std::string& timeout) {
  auto* verb = app.add_subcommand("check", "Examines a USB/IP server or client, case by case");
  verb->footer(kExamples);
  verb->add_option("DEVICE", options.device, "A device that the server exports, free to be used");
  verb->add_flag("--client", options.client, "Examines clients that attach 1-1, not a server");
  verb->add_option("--listen", options.listen,
                   "With --client, where to listen: tcp://HOST[:PORT] or unix:///PATH "
                   "(default: tcp://127.0.0.1:3240)")
      ->type_name("ADDRESS");
  verb->add_option("-k,--match", options.match,
                   "Only the cases whose names contain TEXT; may be repeated")
      ->type_name("TEXT")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--skip", options.skip, "Leaves out the case of that name; may be repeated")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option(
          "--timeout", timeout,
          "How long each answer may take (default: 5; with --client 60, also for a client to come)")
      ->type_name("SECONDS");
  verb->add_flag("--yes", options.yes, "Also the cases that change the device");
  verb->add_flag("--list", options.list, "Lists the cases and their references, and ends");
  verb->add_flag("--json", options.json, "Prints a line of JSON for each case");
  return verb;
}

}  // namespace periprox::app

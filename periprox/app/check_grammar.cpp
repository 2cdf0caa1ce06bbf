#include "periprox/app/check_grammar.hpp"

#include <CLI/CLI.hpp>

namespace periprox::app {
namespace {

constexpr const char* kExamples =
    "DEVICE is usbip://HOST[:PORT]/BUSID or usbip+unix:///PATH/BUSID.\n"
    "\n"
    "Without --yes only standard GET requests reach the device. With it, data is written to it,\n"
    "its configuration is changed and it is reset: use a device made for that.\n"
    "\n"
    "Examples:\n"
    "  periprox check usbip://127.0.0.1/1-1\n"
    "  periprox check usbip://127.0.0.1/1-1 --yes -k unlink -k bulk\n"
    "  periprox check usbip+unix:///run/p.sock/1-1 --yes --json\n"
    "  periprox check --list\n";

}  // namespace

CLI::App* describe_check(CLI::App& app, CheckOptions& options, std::string& timeout) {
  auto* verb = app.add_subcommand("check", "Examines a USB/IP server, case by case");
  verb->footer(kExamples);
  verb->add_option("DEVICE", options.device, "A device that the server exports, free to be used");
  verb->add_option("-k,--match", options.match,
                   "Only the cases whose names contain TEXT; may be repeated")
      ->type_name("TEXT")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--skip", options.skip, "Leaves out the case of that name; may be repeated")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  verb->add_option("--timeout", timeout, "How long each answer may take (default: 5)")
      ->type_name("SECONDS");
  verb->add_flag("--yes", options.yes, "Also the cases that change the device");
  verb->add_flag("--list", options.list, "Lists the cases and their references, and ends");
  verb->add_flag("--json", options.json, "Prints a line of JSON for each case");
  return verb;
}

}  // namespace periprox::app

#include "periprox/app/import_grammar.hpp"

#include <CLI/CLI.hpp>

#include "periprox/app/arguments.hpp"
#include "periprox/app/stage_arguments.hpp"

namespace periprox::app {
namespace {

constexpr std::string_view kAttachExamples =
    "Examples:\n"
    "  periprox attach usbip://192.168.1.20/1-1          # until interrupted\n"
    "  periprox attach emulated:go_temp --background     # leaves a process that serves it\n"
    "  periprox attach usbip://lab/0x08f7.0x0002 --direct\n"
    "  periprox attach 'usbip+exec:ssh lab periprox export 1-1'\n"
    "\n"
    "Needs root or the group of packaging/udev, and the kernel's module vhci_hcd.\n";

constexpr std::string_view kDetachExamples =
    "Examples:\n"
    "  periprox detach 0\n"
    "  periprox detach 3-1\n"
    "  periprox detach usbip://192.168.1.20/1-1\n"
    "  periprox detach --all\n";

constexpr std::string_view kPortsExamples =
    "Examples:\n"
    "  periprox ports\n"
    "  periprox ports --all --json\n";

constexpr std::string_view kExportExamples =
    "Examples:\n"
    "  periprox attach 'usbip+exec:ssh lab periprox export 1-1'\n"
    "  socat UNIX-LISTEN:/run/p.sock EXEC:'periprox export emulated:zero'\n"
    "\n"
    "Writes \"devid speed\", then speaks USB/IP's URB phase: what Qubes' usb-import expects. "
    "Standard\n"
    "input is used in both directions if it is a socket.\n";

}  // namespace

void ImportGrammar::describe(CLI::App& app, const std::string& devices) {
  auto* attach = app.add_subcommand("attach", "Plugs devices into this machine's kernel");
  attach->footer(devices + "\n" + std::string(kAttachExamples));
  attach->add_option("DEVICE", attach_words_.devices, "The devices")->required();
  auto* direct = attach->add_flag("--direct", attach_words_.direct,
                                  "Gives the server's connection to the kernel and returns; the "
                                  "kernel trusts every byte of it");
  attach
      ->add_flag("--background", attach_words_.background,
                 "Returns when the devices are usable; a process that serves them stays")
      ->excludes(direct);
  attach
      ->add_option("--wait", attach_wait_,
                   "How long the kernel may take to make a device usable (default: 15)")
      ->type_name("SECONDS");
  attach
      ->add_option("--silence", silence_,
                   "How long a server's machine may be silent before it counts as vanished, at "
                   "least 3 (default: 25)")
      ->type_name("SECONDS");
  add_stage_options(*attach, attach_words_.stages);
  attach->add_flag("--json", attach_words_.json, "Prints what happens as lines of JSON");
  attach->add_flag("--quiet", attach_words_.quiet, "Prints warnings only");
  attach_ = attach;

  auto* detach = app.add_subcommand("detach", "Takes devices out of this machine's kernel");
  detach->footer(std::string(kDetachExamples));
  auto* ports =
      detach->add_option("PORT", detach_words_.ports,
                         "A port's number, the device's bus id here, or what was attached");
  detach
      ->add_flag("--all", detach_words_.all, "Every device in a virtual port, whoever attached it")
      ->excludes(ports);
  detach
      ->add_option("--wait", detach_wait_, "How long a port may take to become free (default: 10)")
      ->type_name("SECONDS");
  detach->add_flag("--json", detach_words_.json, "Prints lines of JSON");
  detach_ = detach;

  auto* list =
      app.add_subcommand("ports", "Lists what is plugged into this machine's virtual ports");
  list->footer(std::string(kPortsExamples));
  list->add_flag("--all", ports_words_.all, "Free ports too");
  list->add_flag("--json", ports_words_.json, "Prints JSON");
  ports_ = list;

  auto* exporter =
      app.add_subcommand("export", "Exports one device over standard input and output");
  exporter->footer(devices + "\n" + std::string(kExportExamples));
  exporter->add_option("DEVICE", export_words_.device, "The device")->required();
  add_stage_options(*exporter, export_words_.stages);
  export_ = exporter;
}

std::optional<Result<Options>> ImportGrammar::options() const {
  if (attach_->parsed()) return attach_options();
  if (detach_->parsed()) return detach_options();
  if (ports_->parsed()) return ports_words_;
  if (export_->parsed()) return export_words_;
  return std::nullopt;
}

Result<Options> ImportGrammar::attach_options() const {
  auto options = attach_words_;
  if (!attach_wait_.empty()) {
    const auto wait = parse_seconds("time to wait", attach_wait_);
    if (!wait) return tl::make_unexpected(wait.error());
    options.wait = *wait;
  }
  if (!silence_.empty()) {
    const auto silence = parse_seconds("time of silence", silence_);
    if (!silence) return tl::make_unexpected(silence.error());
    if (*silence < std::chrono::seconds(3)) {
      return fail(Error::Kind::Usage, "'" + silence_ + "' is no time of silence",
                  "it is less than 3 seconds", "networks pause for that long");
    }
    options.silence = *silence;
  }
  return options;
}

Result<Options> ImportGrammar::detach_options() const {
  auto options = detach_words_;
  if (options.ports.empty() && !options.all) {
    return fail(Error::Kind::Usage, "cannot detach", "no port was given",
                "`periprox ports` shows them; --all means every one");
  }
  if (!detach_wait_.empty()) {
    const auto wait = parse_seconds("time to wait", detach_wait_);
    if (!wait) return tl::make_unexpected(wait.error());
    options.wait = *wait;
  }
  return options;
}

}  // namespace periprox::app

#include "periprox/app/watch_grammar.hpp"

#include <CLI/CLI.hpp>

namespace periprox::app {
namespace {

constexpr const char* kExamples =
    "DEVICE is exported by a `periprox serve` on this machine, and is named by\n"
    "  1-1, 0x08f7.0x0002               its bus id or its ids, as `capture --list` tells them\n"
    "  usbip://localhost[:PORT]/1-1     the address of its server and its bus id; also\n"
    "                                   usbip+unix:///PATH/1-1 and ring:///PATH/1-1\n"
    "  1-1@PROCESS                      its bus id and the process of its server\n"
    "\n"
    "Whoever uses the device notices nothing. What the capture has no room for is counted in it.\n"
    "\n"
    "Examples:\n"
    "  periprox capture --list\n"
    "  periprox capture 1-1 trace.pcapng            # until interrupted\n"
    "  periprox capture 1-1 - | tshark -i -\n"
    "  periprox capture usbip://localhost/1-1 trace.pcapng.zst --snaplen 64\n";

void add_snap_length(CLI::App& verb, std::uint32_t& snap_length) {
  verb.add_option("--snaplen", snap_length,
                  "Most bytes of data kept of each transfer (default: 262080)")
      ->type_name("BYTES")
      ->check(
          CLI::Range(std::uint32_t{0}, service::StageOptions::kDefaultSnapLength).description(""));
}

}  // namespace

void WatchGrammar::describe(CLI::App& app) {
  auto* verb = app.add_subcommand("capture", "Captures what others do with a served device");
  capture_ = verb;
  verb->footer(kExamples);
  verb->add_option("DEVICE", capture_words_.device,
                   "A device that is served, attached or exported here");
  verb->add_option("FILE", capture_words_.file,
                   "Where to write to (pcapng; '-' = standard output, *.zst = compressed)");
  add_snap_length(*verb, capture_words_.snap_length);
  verb->add_flag("--list", capture_words_.list, "Lists what can be captured, and ends");
  verb->add_flag("--json", capture_words_.json, "With --list: prints a line of JSON for each");
  describe_extcap(app);
}

/// Wireshark's own words; people have no use for them.
void WatchGrammar::describe_extcap(CLI::App& app) {
  auto* verb = app.add_subcommand("extcap", "Answers Wireshark")->group("");
  extcap_ = verb;
  verb->allow_extras();  // Later versions of Wireshark may say more.
  auto& words = extcap_words_;
  verb->add_flag("--extcap-interfaces", words.interfaces, "Lists the devices");
  verb->add_flag("--extcap-dlts", words.link_types, "Lists the link types");
  verb->add_flag("--extcap-config", words.config, "Lists the options");
  verb->add_flag("--capture", words.capture, "Captures to the FIFO");
  verb->add_option("--extcap-interface", words.interface, "The device");
  verb->add_option("--fifo", words.fifo, "Where to write to");
  add_snap_length(*verb, words.snap_length);
}

std::optional<Result<Options>> WatchGrammar::options() const {
  if (extcap_->parsed()) return extcap_words_;
  if (!capture_->parsed()) return std::nullopt;
  const auto& words = capture_words_;
  if (!words.list && words.file.empty()) {
    return fail(Error::Kind::Usage, "cannot capture",
                words.device.empty() ? "no device was given" : "no file was given",
                "`periprox capture DEVICE FILE`, `periprox capture --list`");
  }
  return words;
}

}  // namespace periprox::app

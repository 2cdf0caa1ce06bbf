#include "periprox/app/command_line.hpp"

#include <CLI/CLI.hpp>

#include "periprox/app/arguments.hpp"
#include "periprox/app/check_grammar.hpp"
#include "periprox/app/import_grammar.hpp"
#include "periprox/app/stage_arguments.hpp"
#include "periprox/app/watch_grammar.hpp"
#include "periprox/service/printable.hpp"

namespace periprox::app {
namespace {

constexpr std::uint64_t kLongestRead = std::uint64_t{64} << 20;

constexpr std::string_view kDevices =
    "DEVICE is one of\n"
    "  1-1.2                            plugged in here, by bus id\n"
    "  0x08f7.0x0002[@SERIAL]           plugged in here, by vendor, product and serial number\n"
    "  emulated:NAME?SETTING=VALUE&...  a device that does not exist (list --emulated)\n"
    "  recorded:FILE                    played from a capture\n"
    "  usbip://HOST[:PORT]/1-1          exported by a server; ids instead of 1-1 work too\n"
    "  usbip+unix:///PATH/1-1           the same, through a Unix socket\n"
    "  usbip+vsock://CID[:PORT]/1-1     the same, between a virtual machine and its host\n"
    "  ring:///PATH/1-1                 the same, through shared memory\n"
    "  usbip+exec:COMMAND               at the other end of a command, such as\n"
    "                                   ssh HOST periprox export 1-1\n"
    "  usbip+fd:N                       at the other end of a connected descriptor\n";

constexpr std::string_view kExamples =
    "Examples:\n"
    "  periprox serve emulated:go_temp\n"
    "  periprox list usbip://127.0.0.1\n"
    "  periprox show usbip://127.0.0.1/1-1\n"
    "  periprox attach usbip://127.0.0.1/1-1\n"
    "  periprox transfer usbip://127.0.0.1/1-1 in 0x81 8 --hex\n";

constexpr std::string_view kServeExamples =
    "Examples:\n"
    "  periprox serve 1-1.2              # whenever it is plugged in\n"
    "  periprox serve all --yes          # whatever is no hub and not in use as a disk\n"
    "  periprox serve 'emulated:go_temp?celsius=21.5&serial=A1' emulated:zero\n"
    "  periprox serve 0x08f7.0x0002 --listen tcp://0.0.0.0:3240 --listen unix:///run/p.sock\n"
    "  periprox serve emulated:zero --listen ring:///run/p.ring   # programs on this machine\n"
    "\n"
    "USB/IP has neither encryption nor passwords: whoever reaches the address can use the\n"
    "devices. SIGINT and SIGTERM end it cleanly.\n";

constexpr std::string_view kListExamples =
    "Examples:\n"
    "  periprox list\n"
    "  periprox list --emulated\n"
    "  periprox list usbip://192.168.1.20\n"
    "  periprox list usbip+unix:///run/p.sock --json\n";

constexpr std::string_view kShowExamples =
    "Examples:\n"
    "  periprox show 0x08f7.0x0002\n"
    "  periprox show usbip://192.168.1.20/1-1\n"
    "  periprox show emulated:zero --json\n";

constexpr std::string_view kTransferExamples =
    "Examples:\n"
    "  periprox transfer DEVICE control 0x80 6 0x0100 0 18 --hex   # the device descriptor\n"
    "  periprox transfer DEVICE in 0x81 8 --count 10 --json        # ten reports\n"
    "  periprox transfer DEVICE in 0x82 65536 > data\n"
    "  periprox transfer DEVICE out 0x02 --zero-packet < data\n";

constexpr std::string_view kInspectExamples =
    "Examples:\n"
    "  periprox inspect trace.pcapng\n"
    "  periprox inspect trace.pcapng --errors\n"
    "  periprox inspect trace.pcapng --endpoint 0x81 --from 2 --until 2.5 --json\n"
    "  periprox inspect yesterday.pcapng today.pcapng   # where do they differ first?\n"
    "  periprox transfer DEVICE in 0x81 8 --capture - | periprox inspect -\n"
    "  periprox inspect usbip://localhost/1-1           # live, what a server exports\n";

/// The words of the command line, before they are understood.
struct Words {
  ServeOptions serve;
  ListOptions list;
  ShowOptions show;
  TransferOptions transfer;
  InspectOptions inspect;
  std::string type;
  CheckOptions check;
  std::string timeout;
  std::vector<std::string> settings;
  std::string bmRequestType, bRequest, wValue, wIndex, wLength;
  std::string endpoint;
  std::string length;
  std::string count = "1";
  bool zero_packet = false;
};

/// The grammar. Help texts stand here and nowhere else.
class Grammar {
 public:
  Grammar() {
    app.require_subcommand(1);
    app.set_version_flag("--version", "periprox " PERIPROX_VERSION);
    app.get_formatter()->column_width(34);
    app.footer(std::string(kDevices) + "\n" + std::string(kExamples));
    describe_serve();
    describe_list();
    describe_show();
    describe_transfer();
    describe_inspect();
    import.describe(app, std::string(kDevices));
    check = describe_check(app, words.check, words.timeout);
    watch.describe(app);
  }

  [[nodiscard]] bool has_verb(std::string_view name) const {
    const auto verbs =
        app.get_subcommands([name](const CLI::App* verb) { return verb->get_name() == name; });
    return !verbs.empty();
  }

  CLI::App app{"Takes a USB device from where it is to where it is needed."};
  Words words;
  CLI::App* serve = nullptr;
  CLI::App* list = nullptr;
  CLI::App* show = nullptr;
  CLI::App* transfer = nullptr;
  CLI::App* inspect = nullptr;
  CLI::App* check = nullptr;
  CLI::App* control = nullptr;
  CLI::App* in = nullptr;
  CLI::App* out = nullptr;
  ImportGrammar import;
  WatchGrammar watch;

 private:
  void describe_serve() {
    serve = app.add_subcommand("serve", "Exports devices over USB/IP until interrupted");
    serve->footer(std::string(kDevices) + "\n" + std::string(kServeExamples));
    serve->add_option("DEVICE", words.serve.devices, "The devices to export, or 'all' (with --yes)")
        ->required();
    serve
        ->add_option("--listen", words.serve.listen,
                     "Where to listen: tcp://HOST[:PORT], unix:///PATH, vsock://CID[:PORT] (CID "
                     "may be 'any'), or ring:///PATH for shared memory; may be repeated "
                     "(default: tcp://127.0.0.1:3240)")
        ->type_name("ADDRESS")
        ->take_all()
        ->allow_extra_args(false);
    add_stage_options(*serve, words.serve.stages);
    serve->add_flag("--yes", words.serve.yes,
                    "With 'all': takes every device from this machine, keyboards too");
    serve->add_flag("--json", words.serve.json, "Prints what happens as lines of JSON");
    auto* quiet = serve->add_flag("--quiet", words.serve.quiet, "Prints warnings only");
    serve->add_flag("--verbose", words.serve.verbose, "Prints every connection")->excludes(quiet);
  }

  void describe_list() {
    list = app.add_subcommand("list", "Lists devices: here, at a server, or emulated ones");
    list->footer(std::string(kListExamples));
    auto* server =
        list->add_option("SERVER", words.list.server,
                         "usbip://HOST[:PORT], usbip+unix:///PATH, usbip+vsock://CID[:PORT] "
                         "or ring:///PATH");
    list->add_flag("--emulated", words.list.emulated, "What can be emulated, and the settings")
        ->excludes(server);
    list->add_flag("--json", words.list.json, "Prints JSON");
  }

  void describe_show() {
    show = app.add_subcommand("show", "Shows every descriptor of a device, decoded");
    show->footer(std::string(kDevices) + "\n" + std::string(kShowExamples));
    show->add_option("DEVICE", words.show.device, "The device")->required();
    add_stage_options(*show, words.show.stages);
    add_timeout(*show);
    show->add_flag("--json", words.show.json, "Prints JSON");
  }

  void describe_transfer() {
    transfer =
        app.add_subcommand("transfer", "Makes one transfer, data on standard input and output");
    transfer->footer(std::string(kDevices) + "\n" + std::string(kTransferExamples));
    transfer->require_subcommand(1);
    transfer->add_option("DEVICE", words.transfer.device, "The device")->required();
    add_stage_options(*transfer, words.transfer.stages);
    add_timeout(*transfer);
    transfer
        ->add_option("--setting", words.settings,
                     "Selects an alternate setting of an interface first; may be repeated")
        ->type_name("INTERFACE:ALTERNATE")
        ->take_all()
        ->allow_extra_args(false);
    transfer->add_flag("--hex", words.transfer.hex, "Prints data in hexadecimal, a line each");
    transfer->add_flag("--json", words.transfer.json, "Prints a line of JSON for each transfer");

    control = transfer->add_subcommand("control", "A control request; OUT data on standard input");
    control->fallthrough();
    control->add_option("bmRequestType", words.bmRequestType, "0x80 for standard IN to the device")
        ->required();
    control->add_option("bRequest", words.bRequest, "6 for GET_DESCRIPTOR")->required();
    control->add_option("wValue", words.wValue, "A number")->required();
    control->add_option("wIndex", words.wIndex, "A number")->required();
    control->add_option("wLength", words.wLength, "Bytes of data")->required();

    in = transfer->add_subcommand("in", "Reads from a bulk or interrupt endpoint");
    in->fallthrough();
    in->add_option("ENDPOINT", words.endpoint, "Its address, such as 0x81")->required();
    in->add_option("LENGTH", words.length, "Most bytes in one transfer")->required();
    in->add_option("--count", words.count, "How many transfers; 0 = until interrupted (default: 1)")
        ->type_name("N");

    out = transfer->add_subcommand("out", "Writes standard input to a bulk or interrupt endpoint");
    out->fallthrough();
    out->add_option("ENDPOINT", words.endpoint, "Its address, such as 0x02")->required();
    out->add_flag("--zero-packet", words.zero_packet,
                  "Ends with an empty packet if the data ends on a full one");
  }

  void describe_inspect() {
    inspect = app.add_subcommand("inspect", "Shows what a capture holds, or how two differ");
    inspect->footer(std::string(kInspectExamples));
    inspect
        ->add_option("FILE", words.inspect.file,
                     "pcapng or pcap of PeriProx, usbmon or USBPcap; '-' = standard input; or a "
                     "device that a server on this machine exports, live")
        ->required();
    auto* other = inspect->add_option("OTHER", words.inspect.other, "Compares FILE with it");
    inspect->add_flag("--errors", words.inspect.errors, "Only transfers that went wrong");
    inspect->add_option("--endpoint", words.endpoint, "Only this endpoint, such as 0x81 or 0")
        ->type_name("ADDRESS");
    inspect->add_option("--type", words.type, "Only control, isochronous, bulk or interrupt")
        ->type_name("TYPE");
    inspect->add_option("--from", words.inspect.from, "Only from so many seconds on")
        ->type_name("SECONDS");
    inspect->add_option("--until", words.inspect.until, "Only until so many seconds")
        ->type_name("SECONDS");
    inspect->add_flag("--summary", words.inspect.summary, "Only the figures of each endpoint");
    inspect
        ->add_flag("--follow", words.inspect.follow, "Waits for more at the end, until interrupted")
        ->excludes(other);
    inspect->add_flag("--json", words.inspect.json, "Prints a line of JSON for each transfer");
  }

  void add_timeout(CLI::App& verb) {
    verb.add_option("--timeout", words.timeout, "For each transfer (default: 5)")
        ->type_name("SECONDS");
  }
};

/// Remembers the first thing that is wrong, so that the numbers can be read in a row.
class Numbers {
 public:
  template <typename T>
  T take(std::string_view name, const std::string& text, std::uint64_t most) {
    const auto value = parse_number(name, text, most);
    if (!value && !error) error = value.error();
    return static_cast<T>(value.value_or(0));
  }
  std::optional<Error> error;
};

Result<Duration> timeout_of(const Words& words, Duration fallback) {
  if (words.timeout.empty()) return fallback;
  return parse_seconds("timeout", words.timeout);
}

usb::EndpointAddress endpoint_of(Numbers& numbers, const Words& words, bool is_in) {
  const auto value = numbers.take<std::uint8_t>("endpoint address", words.endpoint, 0xff);
  if (numbers.error) return {};
  const bool exists = (value & 0x70) == 0;
  if (!exists || ((value & 0x80) != 0) != is_in) {
    numbers.error =
        Error{Error::Kind::Usage,
              "'" + words.endpoint + "' is no " + (is_in ? "IN" : "OUT") + " endpoint",
              is_in ? "IN endpoints go from 0x81 to 0x8f" : "OUT endpoints go from 0x01 to 0x0f",
              "`periprox show DEVICE` lists them"};
  }
  return usb::EndpointAddress(value);
}

Result<Options> transfer_options(const Grammar& grammar) {
  const auto& words = grammar.words;
  auto options = words.transfer;
  const auto timeout = timeout_of(words, options.timeout);
  if (!timeout) return tl::make_unexpected(timeout.error());
  options.timeout = *timeout;
  for (const auto& text : words.settings) {
    const auto setting = parse_setting(text);
    if (!setting) return tl::make_unexpected(setting.error());
    options.settings.push_back(*setting);
  }
  Numbers numbers;
  if (grammar.control->parsed()) {
    usb::SetupPacket setup;
    setup.bmRequestType = numbers.take<std::uint8_t>("bmRequestType", words.bmRequestType, 0xff);
    setup.bRequest = numbers.take<std::uint8_t>("bRequest", words.bRequest, 0xff);
    setup.wValue = numbers.take<std::uint16_t>("wValue", words.wValue, 0xffff);
    setup.wIndex = numbers.take<std::uint16_t>("wIndex", words.wIndex, 0xffff);
    setup.wLength = numbers.take<std::uint16_t>("wLength", words.wLength, 0xffff);
    options.transfer = ControlTransfer{setup};
  } else if (grammar.in->parsed()) {
    InTransfer transfer{.endpoint = endpoint_of(numbers, words, true)};
    transfer.length = numbers.take<std::uint32_t>("length", words.length, kLongestRead);
    transfer.count = numbers.take<std::uint64_t>("count", words.count, 1'000'000'000'000);
    options.transfer = transfer;
  } else {
    options.transfer = OutTransfer{.endpoint = endpoint_of(numbers, words, false),
                                   .zero_packet = words.zero_packet};
  }
  if (numbers.error) return tl::make_unexpected(*numbers.error);
  return options;
}

Result<Options> inspect_options(const Words& words) {
  auto options = words.inspect;
  if (!words.endpoint.empty()) {
    const auto address = parse_number("endpoint address", words.endpoint, 0xff);
    if (!address) return tl::make_unexpected(address.error());
    options.endpoint = usb::EndpointAddress(static_cast<std::uint8_t>(*address));
  }
  if (words.type.empty()) return options;
  using enum usb::TransferType;
  for (const auto type : {Control, Isochronous, Bulk, Interrupt}) {
    if (usb::transfer_type_name(type) == words.type) options.type = type;
  }
  if (options.type) return options;
  return fail(Error::Kind::Usage,
              "'" + service::printable(words.type, 32) + "' is no transfer type",
              "the types are control, isochronous, bulk and interrupt");
}

Result<Options> options_of(const Grammar& grammar) {
  const auto& words = grammar.words;
  if (grammar.serve->parsed()) return words.serve;
  if (grammar.list->parsed()) return words.list;
  if (grammar.inspect->parsed()) return inspect_options(words);
  if (auto import = grammar.import.options()) return std::move(*import);
  if (auto watch = grammar.watch.options()) return std::move(*watch);
  if (grammar.show->parsed()) {
    auto options = words.show;
    const auto timeout = timeout_of(words, options.timeout);
    if (!timeout) return tl::make_unexpected(timeout.error());
    options.timeout = *timeout;
    return options;
  }
  if (grammar.check->parsed()) {
    auto options = words.check;
    // Linux gives up a request after 5 s and a device after several.
    if (options.client) options.timeout = std::chrono::seconds(60);
    const auto timeout = timeout_of(words, options.timeout);
    if (!timeout) return tl::make_unexpected(timeout.error());
    options.timeout = *timeout;
    return options;
  }
  return transfer_options(grammar);
}

/// "periprox transfer in": the verb whose help would help.
std::string spoken_verb(const CLI::App& app) {
  std::string verb = "periprox";
  const CLI::App* place = &app;
  while (!place->get_subcommands().empty()) {
    place = place->get_subcommands().front();
    verb += " " + place->get_name();
  }
  return verb;
}

tl::unexpected<Error> no_verb(std::string why) {
  return fail(Error::Kind::Usage, "cannot understand the command line", std::move(why),
              "`periprox --help` lists the verbs");
}

}  // namespace

Result<Command> parse_command_line(int argc, const char* const* argv) {
  Grammar grammar;
  if (argc < 2) return no_verb("no verb was given");
  const std::string_view first = argv[1];
  if (!first.starts_with('-') && !grammar.has_verb(first)) {
    return no_verb("'" + service::printable(first, 64) + "' is no verb");
  }
  grammar.app.name("periprox");
  try {
    grammar.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return grammar.app.help();
  } catch (const CLI::CallForVersion&) {
    return std::string("periprox " PERIPROX_VERSION "\n");
  } catch (const CLI::Error& error) {
    return fail(Error::Kind::Usage, "cannot understand the command line", error.what(),
                "`" + spoken_verb(grammar.app) + " --help` shows how it is used");
  }
  auto options = options_of(grammar);
  if (!options) return forward_error(options);
  return std::move(*options);
}

}  // namespace periprox::app

// emulated:storage: the disk, its image, and who changes the medium.
#include <charconv>
#include <utility>

#include "periprox/emulated/command_feed.hpp"
#include "periprox/emulated/storage.hpp"

namespace periprox::emulated {
namespace {

constexpr auto kSettings = with_common_settings(
    "high", SettingInfo{"image", "", "a disk image; without one the disk is in memory"},
    SettingInfo{"size", "64M", "of a disk in memory or an image to be made: 512K, 64M, 8G, 3T"},
    SettingInfo{"sector", "512", "bytes in a sector: 512 or 4096"},
    SettingInfo{"readonly", "0", "1: nothing can be written"},
    SettingInfo{"removable", "0", "1: the medium can be ejected and inserted"},
    SettingInfo{"input", "",
                "a FIFO with commands: eject, insert [IMAGE], wait; - for standard "
                "input"});

/// "64M" in bytes; empty for anything else and beyond 8 EiB.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "KMGTP";
  unsigned shift = 0;
  if (!text.empty()) {
    if (const auto unit = kUnits.find(text.back()); unit != std::string_view::npos) {
      shift = static_cast<unsigned>(10 * (unit + 1));
      text.remove_suffix(1);
    }
  }
  std::uint64_t number = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  if (number == 0 || number > (std::uint64_t{1} << 62 >> shift)) return std::nullopt;
  return number << shift;
}

/// The person in front of the drive.
struct Operator {
  std::weak_ptr<Storage> storage;
  DiskImage::Options options;
  Surroundings surroundings;

  Result<void> insert(const std::string& path) {
    const auto drive = storage.lock();
    if (drive == nullptr) return {};
    if (drive->disk().image() != nullptr) return bad_command("there is a medium in the drive");
    auto wanted = options;
    if (!path.empty()) wanted.path = path;
    auto image = DiskImage::open(wanted);
    if (!image) return forward_error(image);
    options.path = wanted.path;
    drive->disk().insert(std::move(*image));
    note(surroundings, "inserted " + (wanted.path.empty() ? "an empty disk" : wanted.path));
    return {};
  }

  Result<void> run(const Command& command) {
    const auto drive = storage.lock();
    if (drive == nullptr) return {};
    if (!drive->disk().is_removable()) return bad_command("the medium is not removable");
    if (command.words.front() == "insert") return insert(std::string(command.rest));
    if (command.words.front() != "eject") {
      return bad_command("the commands are eject, insert and wait");
    }
    drive->disk().eject();
    note(surroundings, "ejected");
    return {};
  }
};

/// The disk that the settings describe. Wrong values are left as an error in `settings`.
Result<std::unique_ptr<DiskImage>> open_image(SettingsReader& settings,
                                              DiskImage::Options& options) {
  options.path = settings.text("image");
  options.sector = settings.choice("sector", {"512", "4096"}) == 0 ? 512 : 4096;
  options.read_only = settings.choice("readonly", {"0", "1"}) == 1;
  const auto size = parse_size(settings.text("size"));
  if (!size) settings.reject("size", "a size such as 512K, 64M, 8G or 3T");
  // A size is made up for a disk in memory only: a mistyped path should make no file.
  const bool is_asked_for = options.path.empty() || settings.is_given("size");
  options.size = is_asked_for ? size.value_or(0) : 0;
  if (settings.error()) return tl::make_unexpected(*settings.error());
  return DiskImage::open(options);
}

Result<FunctionMaker> make_storage(SettingsReader& settings, const Surroundings& surroundings) {
  DiskImage::Options options;
  const bool removable = settings.choice("removable", {"0", "1"}) == 1;
  const std::string input(settings.text("input"));
  auto image = open_image(settings, options);
  if (!image) return forward_error(image);

  ScsiDisk disk({.serial_number = std::string(settings.text("serial")), .removable = removable},
                std::move(*image));
  const auto storage = std::make_shared<Storage>(std::move(disk), surroundings);
  const auto person = std::make_shared<Operator>(Operator{storage, options, surroundings});
  storage->disk().on_load = [person](bool load) {
    if (!load) return note(person->surroundings, "the host ejected the medium");
    if (auto done = person->insert({}); !done) note(person->surroundings, done.error().text());
  };
  std::shared_ptr<CommandFeed> feed;
  if (!input.empty()) {
    auto stream = open_stream(surroundings, input);
    if (!stream) return forward_error(stream);
    feed = std::make_shared<CommandFeed>(
        std::move(*stream), surroundings.timers,
        CommandFeed::Options{
            .run = [person](const Command& command) { return person->run(command); },
            .has_room = [] { return true; },
            .complain = [surroundings](const std::string& text) { note(surroundings, text); }});
    feed->go_on();
  }
  // The feed lives as long as the device does.
  return [storage, feed](Place place) {
    auto function = storage_function(storage, place);
    function.on_reset = [reset = std::move(function.on_reset), feed] { reset(); };
    return function;
  };
}

}  // namespace

DeviceType storage_type() {
  return {.name = "storage",
          .summary = "disk on an image (bulk-only transport, SCSI)",
          .settings = kSettings,
          .make = FunctionType{.idProduct = 0x0005, .make = make_storage}};
}

}  // namespace periprox::emulated

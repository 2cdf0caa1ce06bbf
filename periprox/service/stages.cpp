#include "periprox/service/stages.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "periprox/service/fault_file.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/stage/capture_file.hpp"
#include "periprox/stage/capture_stage.hpp"
#include "periprox/stage/fault_dice.hpp"
#include "periprox/stage/fault_rule.hpp"
#include "periprox/stage/fault_stage.hpp"
#include "periprox/stage/limit_stage.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::service {
namespace {

/// Device numbers that are made up stand on bus 0, which no machine has.
constexpr std::uint8_t kLastMadeUpDevice = 255;
constexpr std::size_t kMostRules = 1000;

stage::CalendarClock calendar(const Timers& timers) {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return {.timers = &timers, .ahead = since_1970 - timers.now().time_since_epoch()};
}

std::string describe(const usb::DeviceModel& model) {
  const auto& descriptor = model.descriptor();
  std::string text = usb::ids_text(descriptor.idVendor, descriptor.idProduct);
  for (const auto* name : {&model.manufacturer, &model.product}) {
    if (!name->empty()) text += " " + printable(*name);
  }
  return text;
}

}  // namespace

/// The dice of one device, which it keeps when it goes and comes back.
struct Stages::Faults {
  std::shared_ptr<std::vector<stage::FaultDice>> dice;
};

struct Stages::Parts {
  StageOptions options;
  Timers* timers = nullptr;
  Advise advise;
  stage::CalendarClock clock;
  std::unique_ptr<stage::CaptureFile> file;
  std::uint8_t made_up_device = 0;
  std::vector<stage::FaultRule> rules;
  std::uint64_t seed = 0;
  std::uint64_t devices = 0;
  std::vector<std::shared_ptr<std::vector<stage::FaultDice>>> dice;  // Of all devices.
  std::function<void(OpenedDevice)> reconnected;
  std::vector<stage::LimitRule> limits;
  stage::LimitOptions limit_options;  // Of every device; whom it tells is each one's own.

  [[nodiscard]] bool has_capture_stage() const { return file || options.watchable; }
  Result<void> read_rules();
  Result<void> read_limits();
  [[nodiscard]] Faults new_faults();
  [[nodiscard]] stage::CaptureOptions capture_options(const OpenedDevice& opened);
};

Result<void> Stages::Parts::read_rules() {
  std::optional<std::uint64_t> file_seed;
  const auto add = [this](std::string_view text) -> Result<void> {
    auto rule = stage::parse_fault_rule(text);
    if (!rule) return forward_error(rule);
    if (rules.size() == kMostRules)
      return fail(Error::Kind::Usage, "cannot inject these faults", "they are too many");
    rules.push_back(std::move(*rule));
    return {};
  };
  for (const auto& text : options.faults) {
    if (!text.ends_with(".toml")) {
      if (auto added = add(text); !added) return added;
      continue;
    }
    auto read = read_fault_file(text);
    if (!read) return forward_error(read);
    if (read->seed) file_seed = read->seed;
    for (const auto& rule : read->rules) {
      if (auto added = add(rule); !added) return added;
    }
  }
  if (rules.empty()) return {};
  seed = options.seed ? *options.seed : file_seed ? *file_seed : std::random_device{}();
  advise("faults are injected; --seed " + std::to_string(seed) + " repeats them");
  return {};
}

Result<void> Stages::Parts::read_limits() {
  using Kind = stage::LimitRule::Kind;
  for (const auto& text : options.limits) {
    auto rule = stage::parse_limit_rule(text);
    if (!rule) return forward_error(rule);
    const bool is_rate = rule->kind == Kind::Urbs || rule->kind == Kind::Bytes;
    const bool is_second =
        std::ranges::any_of(limits, [&](const auto& other) { return other.kind == rule->kind; });
    if (is_second) {
      return fail(Error::Kind::Usage, "cannot set the limit '" + text + "'",
                  "there is another one of its kind", "name each limit once");
    }
    if (rule->kind == Kind::Breaker) limit_options.breaker = *rule;
    if (rule->kind == Kind::Orphans) limit_options.patience = rule->patience;
    limits.push_back(std::move(*rule));
    if (is_rate) limit_options.limiter = std::make_shared<stage::RateLimiter>(limits, *timers);
  }
  return {};
}

Stages::Faults Stages::Parts::new_faults() {
  Faults faults{std::make_shared<std::vector<stage::FaultDice>>()};
  for (std::size_t i = 0; i < rules.size(); ++i) faults.dice->emplace_back(seed, devices, i);
  ++devices;
  dice.push_back(faults.dice);
  return faults;
}

stage::CaptureOptions Stages::Parts::capture_options(const OpenedDevice& opened) {
  if (!opened.address && made_up_device < kLastMadeUpDevice) ++made_up_device;
  return {.name = printable(opened.name),
          .description = describe(opened.device->model()),
          .bus = opened.address ? opened.address->busnum : std::uint16_t{0},
          .device =
              opened.address ? static_cast<std::uint8_t>(opened.address->devnum) : made_up_device};
}

Stages::Stages(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Stages::~Stages() {
  for (std::size_t i = 0; i < parts_->rules.size(); ++i) {
    std::uint64_t struck = 0;
    for (const auto& dice : parts_->dice) struck += (*dice)[i].struck();
    parts_->advise("fault '" + parts_->rules[i].text + "' was injected " + std::to_string(struck) +
                   (struck == 1 ? " time" : " times"));
  }
}

Result<std::shared_ptr<Stages>> Stages::create(const StageOptions& options, Timers& timers,
                                               Advise advise) {
  auto parts = std::make_unique<Parts>();
  parts->options = options;
  parts->timers = &timers;
  parts->advise = advise;
  parts->clock = calendar(timers);
  if (auto read = parts->read_rules(); !read) return forward_error(read);
  if (auto read = parts->read_limits(); !read) return forward_error(read);
  if (!options.capture.empty()) {
    auto file = stage::CaptureFile::open(
        {.path = options.capture,
         .file_size = options.capture_size,
         .files = options.capture_files},
        [advise = std::move(advise)](const Error& error) { advise(error.text()); });
    if (!file) return forward_error(file);
    parts->file = std::move(*file);
  }
  return std::shared_ptr<Stages>(new Stages(std::move(parts)));
}

void Stages::on_reconnected(std::function<void(OpenedDevice)> handler) {
  parts_->reconnected = std::move(handler);
}

OpenedDevice Stages::wrap(OpenedDevice opened) {
  if (!parts_->has_capture_stage() && parts_->rules.empty() && parts_->limits.empty())
    return opened;
  return wrap(std::move(opened), parts_->new_faults());
}

OpenedDevice Stages::wrap(OpenedDevice opened, const Faults& faults) {
  // Known to the others before it exists: the capture stage that stands in front of them.
  const auto capture = std::make_shared<stage::CaptureStage*>(nullptr);
  if (!parts_->rules.empty()) {
    stage::FaultOptions options{.rules = parts_->rules, .dice = faults.dice};
    options.note = [capture](usb::UrbHandle urb, const std::string& what) {
      if (*capture != nullptr) (*capture)->note(urb, what);
    };
    options.reconnect = [self = weak_from_this(), faults, address = opened.address,
                         name = opened.name](std::shared_ptr<usb::Device> device) {
      const auto stages = self.lock();
      if (!stages || !stages->parts_->reconnected) return;
      stages->parts_->reconnected(
          stages->wrap({.device = std::move(device), .address = address, .name = name}, faults));
    };
    opened.device = std::make_shared<stage::FaultStage>(std::move(opened.device),
                                                        std::move(options), *parts_->timers);
  }
  if (!parts_->limits.empty()) {
    auto options = parts_->limit_options;
    options.say = [capture, advise = parts_->advise,
                   name = printable(opened.name)](const std::string& what) {
      advise(name + ": " + what);
      if (*capture != nullptr) (*capture)->note("PeriProx: " + what);
    };
    auto stage = std::make_shared<stage::LimitStage>(std::move(opened.device), std::move(options),
                                                     *parts_->timers);
    opened.abandon = [stage = stage.get()] { stage->abandon(); };
    opened.device = std::move(stage);
  }
  if (parts_->has_capture_stage()) {
    const auto options = parts_->capture_options(opened);
    auto stage =
        std::make_shared<stage::CaptureStage>(std::move(opened.device), options, parts_->clock);
    if (parts_->file) stage->add(parts_->file->buffer(), parts_->options.snap_length);
    *capture = stage.get();
    opened.capture = stage;
    opened.device = std::move(stage);
  }
  // What the stages write into has to outlive them.
  auto* device = opened.device.get();
  opened.device = std::shared_ptr<usb::Device>(
      device, [stages = std::move(opened.device), keep = shared_from_this()](auto*) mutable {
        stages.reset();
        keep.reset();
      });
  return opened;
}

}  // namespace periprox::service

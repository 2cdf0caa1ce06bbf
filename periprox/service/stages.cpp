#include "periprox/service/stages.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "periprox/service/printable.hpp"
#include "periprox/stage/capture_file.hpp"
#include "periprox/stage/capture_stage.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::service {
namespace {

/// Device numbers that are made up stand on bus 0, which no machine has.
constexpr std::uint8_t kLastMadeUpDevice = 255;

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

struct Stages::Parts {
  StageOptions options;
  stage::CalendarClock clock;
  std::unique_ptr<stage::CaptureFile> file;
  std::uint8_t made_up_device = 0;
};

Stages::Stages(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Stages::~Stages() = default;

Result<std::shared_ptr<Stages>> Stages::create(const StageOptions& options, const Timers& timers,
                                               Advise advise) {
  auto parts = std::make_unique<Parts>();
  parts->options = options;
  parts->clock = calendar(timers);
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

OpenedDevice Stages::wrap(OpenedDevice opened) {
  if (!parts_->file) return opened;
  auto& number = parts_->made_up_device;
  if (!opened.address && number < kLastMadeUpDevice) ++number;
  const stage::CaptureOptions options{
      .name = printable(opened.name),
      .description = describe(opened.device->model()),
      .bus = opened.address ? opened.address->busnum : std::uint16_t{0},
      .device = opened.address ? static_cast<std::uint8_t>(opened.address->devnum) : number,
      .snap_length = parts_->options.snap_length};
  auto capture = std::make_unique<stage::CaptureStage>(
      std::move(opened.device), parts_->file->buffer(), options, parts_->clock);
  opened.note = [stage = capture.get()](std::string text) { stage->note(std::move(text)); };
  // The capture's buffer has to outlive the stage.
  opened.device = std::shared_ptr<usb::Device>(
      capture.release(), [keep = shared_from_this()](auto* stage) { delete stage; });
  return opened;
}

}  // namespace periprox::service

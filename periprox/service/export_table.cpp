// How it works: a client gets an Export, not the device behind it. An Export is the device as one
// client sees it: it takes the client's wish to be told when the device goes, which would otherwise
// replace the table's own.
#include "periprox/service/export_table.hpp"

#include <algorithm>
#include <utility>

#include "periprox/service/printable.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::service {

using wire::usbip::DeviceAddress;
using wire::usbip::OpStatus;

namespace {

constexpr std::uint16_t kLastBus = 255;
/// Device 1 of a bus is its root hub.
constexpr std::uint16_t kFirstDevice = 2;
constexpr std::uint16_t kLastDevice = 255;

DeviceAddress made_up_address(std::uint16_t busnum, std::uint16_t devnum) {
  const auto bus = std::to_string(busnum);
  const auto busid = bus + "-" + std::to_string(devnum - kFirstDevice + 1);
  return {.path = "/sys/devices/periprox/usb" + bus + "/" + busid,
          .busid = busid,
          .busnum = busnum,
          .devnum = devnum};
}

}  // namespace

class ExportTable::Export final : public usb::Device {
 public:
  Export(OpenedDevice opened, DeviceAddress place)
      : address(std::move(place)),
        name(std::move(opened.name)),
        device_(std::move(opened.device)),
        capture_(std::move(opened.capture)),
        abandon_(std::move(opened.abandon)) {}
  ~Export() override { *self_ = nullptr; }
  Export(const Export&) = delete;
  Export& operator=(const Export&) = delete;

  [[nodiscard]] const usb::DeviceModel& model() const override { return device_->model(); }
  void submit(usb::Urb urb) override { device_->submit(std::move(urb)); }
  void cancel(usb::UrbHandle urb) override { device_->cancel(urb); }
  [[nodiscard]] Payload allocate(std::uint32_t size) override { return device_->allocate(size); }
  void on_gone(std::function<void()> handler) override { client_gone_ = std::move(handler); }

  /// Calls `handler` when the device is gone; its client is told after that. Nobody is told once
  /// the Export itself is gone.
  void watch(std::function<void()> handler) {
    device_->on_gone([self = self_, handler = std::move(handler)] {
      if (*self == nullptr) return;
      handler();
      if (const auto call = std::exchange((*self)->client_gone_, {})) call();
    });
  }
  void forget_client() { client_gone_ = {}; }
  /// Writes a line beside the traffic in the capture, if there is one.
  void note(std::string text) const {
    if (const auto capture = capture_.lock()) capture->note(std::move(text));
  }
  [[nodiscard]] const std::weak_ptr<stage::CaptureStage>& capture() const { return capture_; }
  /// Nobody waits any more for what its client may have left under way.
  void abandon() const {
    if (abandon_) abandon_();
  }
  /// Puts the device into the state that the next client expects.
  void reset() {
    auto urb = usb::Urb::create();
    urb->setup = usb::SetupPacket::port_reset();
    device_->submit(std::move(urb));
  }

  const DeviceAddress address;
  const std::string name;
  std::string holder;
  bool is_gone = false;

 private:
  std::shared_ptr<usb::Device> device_;
  std::weak_ptr<stage::CaptureStage> capture_;
  std::function<void()> abandon_;
  std::function<void()> client_gone_;
  std::shared_ptr<Export*> self_ = std::make_shared<Export*>(this);
};

ExportTable::ExportTable(EventSink events) : events_(std::move(events)) {}

ExportTable::~ExportTable() = default;

Result<void> ExportTable::add(std::vector<OpenedDevice> devices) {
  const auto before = exports_.size();
  const auto undo = [&] { exports_.resize(before); };
  const auto place = [&](OpenedDevice& device, DeviceAddress address) {
    exports_.push_back(std::make_unique<Export>(std::move(device), std::move(address)));
  };
  for (auto& device : devices) {
    if (!device.address) continue;
    if (is_taken(*device.address)) {
      auto error = fail(Error::Kind::Usage, "cannot export '" + printable(device.name) + "'",
                        device.address->busid + " is exported already", "name each device once");
      undo();
      return error;
    }
    auto address = *device.address;
    place(device, std::move(address));
  }
  for (auto& device : devices) {
    if (!device.device) continue;  // Placed above.
    auto address = free_address();
    if (!address) {
      undo();
      return forward_error(address);
    }
    place(device, std::move(*address));
  }
  for (auto i = before; i < exports_.size(); ++i) {
    exports_[i]->watch([this, exported = exports_[i].get()] { gone(*exported); });
  }
  return {};
}

void ExportTable::forget_gone() {
  std::erase_if(exports_,
                [](const auto& exported) { return exported->is_gone && exported->holder.empty(); });
}

bool ExportTable::is_taken(const DeviceAddress& address) const {
  return std::any_of(exports_.begin(), exports_.end(), [&](const auto& other) {
    if (other->is_gone) return false;
    return other->address.busid == address.busid || other->address.devid() == address.devid();
  });
}

Result<DeviceAddress> ExportTable::free_address() const {
  for (std::uint16_t bus = 1; bus <= kLastBus; ++bus) {
    for (std::uint16_t device = kFirstDevice; device <= kLastDevice; ++device) {
      auto address = made_up_address(bus, device);
      if (!is_taken(address)) return address;
    }
  }
  return fail(Error::Kind::Failed, "cannot export another device", "all bus ids are given out");
}

std::vector<ExportTable::Entry> ExportTable::entries() const {
  std::vector<Entry> entries;
  for (const auto& exported : exports_) {
    if (exported->is_gone) continue;
    entries.push_back({exported->address, exported->name, exported->holder, &exported->model(),
                       exported->capture()});
  }
  return entries;
}

std::vector<session::ListedDevice> ExportTable::list() {
  std::vector<session::ListedDevice> listed;
  for (const auto& exported : exports_) {
    if (exported->is_gone || !exported->holder.empty()) continue;
    const auto& model = exported->model();
    listed.push_back(
        {wire::usbip::encode_device(exported->address, model), model.interface_classes()});
  }
  return listed;
}

void ExportTable::claim(std::string_view busid, std::string_view peer,
                        std::function<void(ClaimResult)> done) {
  Event event{.kind = Event::Kind::Refused,
              .level = Event::Level::Warning,
              .busid = printable(busid, wire::usbip::kBusIdSize),
              .peer = std::string(peer)};
  const auto found = std::find_if(exports_.begin(), exports_.end(), [&](const auto& exported) {
    return !exported->is_gone && exported->address.busid == busid;
  });
  if (found == exports_.end()) {
    event.text = event.peer + " asked for " + event.busid + ", which is not exported";
    events_(event);
    done(OpStatus::NoSuchDevice);
    return;
  }
  auto& exported = **found;
  if (!exported.holder.empty()) {
    event.text =
        event.peer + " asked for " + event.busid + ", which is in use by " + exported.holder;
    events_(event);
    done(OpStatus::DeviceBusy);
    return;
  }
  exported.holder = event.peer.empty() ? "unknown" : event.peer;
  event.kind = Event::Kind::Imported;
  event.level = Event::Level::Info;
  event.text = event.busid + " (" +
               usb::ids_text(exported.model().descriptor().idVendor,
                             exported.model().descriptor().idProduct) +
               ") is used by " + exported.holder;
  events_(event);
  exported.note("PeriProx: used by " + exported.holder + " from here on");
  done(session::Lease(exported, exported.address, [this, &exported] { release(exported); }));
}

void ExportTable::release(Export& released) {
  const auto holder = std::exchange(released.holder, {});
  released.forget_client();
  if (released.is_gone) return;
  released.note("PeriProx: " + holder + " no longer uses it");
  released.abandon();
  released.reset();
  events_({.kind = Event::Kind::Released,
           .text = released.address.busid + " is free again",
           .busid = released.address.busid,
           .peer = holder});
}

void ExportTable::gone(Export& lost) {
  lost.is_gone = true;
  const bool named = lost.name != lost.address.busid;
  events_({.kind = Event::Kind::DeviceGone,
           .level = Event::Level::Warning,
           .text = lost.address.busid +
                   (named ? " (" + printable(lost.name) + ") is gone" : " is gone"),
           .busid = lost.address.busid,
           .peer = lost.holder});
}

}  // namespace periprox::service

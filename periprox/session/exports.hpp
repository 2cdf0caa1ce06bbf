// What a server session asks of the house it serves: which devices there are, and may I have one.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "periprox/usb/device.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session {

/// The right to use a device alone; given back when dropped, which the owner may answer with a
/// reset of the device.
class Lease {
 public:
  Lease(usb::Device& device, wire::usbip::DeviceAddress address, std::function<void()> release)
      : device_(&device), address_(std::move(address)), release_(std::move(release)) {}
  Lease(Lease&& other) noexcept
      : device_(other.device_),
        address_(std::move(other.address_)),
        release_(std::exchange(other.release_, {})) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (release_) release_();
  }

  [[nodiscard]] usb::Device& device() const { return *device_; }
  [[nodiscard]] const wire::usbip::DeviceAddress& address() const { return address_; }

 private:
  usb::Device* device_;
  wire::usbip::DeviceAddress address_;
  std::function<void()> release_;
};

/// A device as DEVLIST shows it.
struct ListedDevice {
  wire::usbip::DeviceRecord record;
  std::vector<usb::ClassCode> interfaces;
};

/// The devices that a server offers. Called on the loop of its sessions; outlives them.
class Exports {
 public:
  using ClaimResult = std::variant<Lease, wire::usbip::OpStatus>;

  /// The devices that can be imported now: those in use are left out.
  [[nodiscard]] virtual std::vector<ListedDevice> list() = 0;
  /// Asks for a device by its bus id on behalf of `peer` (for the log). Answers through `done`,
  /// possibly at once; `done` may be called after the asking session is gone.
  virtual void claim(std::string_view busid, std::string_view peer,
                     std::function<void(ClaimResult)> done) = 0;

 protected:
  ~Exports() = default;
};

}  // namespace periprox::session

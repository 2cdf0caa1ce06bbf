// The devices that a server exports, each used by one client at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/service/event.hpp"
#include "periprox/service/opened_device.hpp"
#include "periprox/session/exports.hpp"

namespace periprox::service {

/// Gives out devices by bus id. Single-threaded. Outlives the sessions that use it.
class ExportTable final : public session::Exports {
 public:
  explicit ExportTable(EventSink events);
  ~ExportTable();
  ExportTable(const ExportTable&) = delete;
  ExportTable& operator=(const ExportTable&) = delete;

  /// Adds devices and gives each a place: plugged-in ones keep theirs, the others get 1-1, 1-2, …
  /// in their order, skipping what is taken. Fails, and adds none, when two have the same place.
  Result<void> add(std::vector<OpenedDevice> devices);

  /// Lets go of devices that are gone and that no client holds any more. Not from within a call
  /// that a device makes.
  void forget_gone();

  /// A device that is exported now.
  struct Entry {
    wire::usbip::DeviceAddress address;
    std::string name;    ///< Its locator.
    std::string holder;  ///< The peer that uses it; empty when free.
    const usb::DeviceModel* model = nullptr;
    std::weak_ptr<stage::CaptureStage> capture = {};  ///< As in OpenedDevice.
  };
  /// Those that are not gone, in their order.
  [[nodiscard]] std::vector<Entry> entries() const;

  // session::Exports
  [[nodiscard]] std::vector<session::ListedDevice> list() override;
  void claim(std::string_view busid, std::string_view peer,
             std::function<void(ClaimResult)> done) override;

 private:
  class Export;

  [[nodiscard]] bool is_taken(const wire::usbip::DeviceAddress& address) const;
  [[nodiscard]] Result<wire::usbip::DeviceAddress> free_address() const;
  void release(Export& released);
  void gone(Export& lost);

  EventSink events_;
  std::vector<std::unique_ptr<Export>> exports_;
};

}  // namespace periprox::service

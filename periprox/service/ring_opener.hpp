// Devices behind rings.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/service/opened_device.hpp"
#include "periprox/service/ring_address.hpp"
#include "periprox/session/exports.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

/// Joins rings. What is under way when it is destroyed is dropped and not reported; devices that
/// were opened live on. `loop` outlives both.
class RingOpener final {
 public:
  using DeviceDone = std::function<void(Result<OpenedDevice>)>;
  using ListDone = std::function<void(Result<std::vector<session::ListedDevice>>)>;

  explicit RingOpener(Loop& loop);
  ~RingOpener();
  RingOpener(const RingOpener&) = delete;
  RingOpener& operator=(const RingOpener&) = delete;

  /// Imports the device; one that is named by its ids is looked up in the exporter's list first.
  /// `done` is called once, on the loop, never from within this call or a call of a protocol.
  void open(const RingLocator& locator, DeviceDone done);
  /// Asks an exporter what it offers. `done` is called once, in the same way.
  void list(const RingAddress& address, ListDone done);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace periprox::service

// Devices that USB/IP servers export.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/opened_device.hpp"
#include "periprox/session/exports.hpp"

namespace periprox::link {
class Loop;
}

namespace periprox::service {

/// Asks servers. What is under way when it is destroyed is dropped and not reported; devices that
/// were opened live on. `loop` outlives both.
class RemoteOpener final {
 public:
  using DeviceDone = std::function<void(Result<OpenedDevice>)>;
  using ListDone = std::function<void(Result<std::vector<session::ListedDevice>>)>;

  explicit RemoteOpener(link::Loop& loop);
  ~RemoteOpener();
  RemoteOpener(const RemoteOpener&) = delete;
  RemoteOpener& operator=(const RemoteOpener&) = delete;

  /// Imports the device; one that is named by its ids is looked up in the server's list first, and
  /// one with a serial number is told from its twins by importing them one after another. `done` is
  /// called once, on the loop, never from within this call or a call of a protocol.
  void open(const RemoteLocator& locator, DeviceDone done);
  /// Asks a server what it exports. `done` is called once, in the same way.
  void list(const link::Address& server, ListDone done);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace periprox::service

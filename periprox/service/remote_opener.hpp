// Devices that USB/IP servers export.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/opened_device.hpp"
#include "periprox/session/exports.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

/// A connection on which a server answers the URBs of a device.
struct ImportedConnection {
  UniqueFd socket;
  wire::usbip::DeviceAddress address;  ///< At the server.
  usb::Speed speed = usb::Speed::High;
};

/// Asks servers. What is under way when it is destroyed is dropped and not reported; devices that
/// were opened live on. `loop` outlives both.
class RemoteOpener final {
 public:
  using DeviceDone = std::function<void(Result<OpenedDevice>)>;
  using ListDone = std::function<void(Result<std::vector<session::ListedDevice>>)>;

  using ConnectionDone = std::function<void(Result<ImportedConnection>)>;

  /// `silence_limit` is for the connections of devices (link::connect()).
  explicit RemoteOpener(Loop& loop, Duration silence_limit = link::kSilenceLimit);
  ~RemoteOpener();
  RemoteOpener(const RemoteOpener&) = delete;
  RemoteOpener& operator=(const RemoteOpener&) = delete;

  /// Imports the device; one that is named by its ids is looked up in the server's list first, and
  /// one with a serial number is told from its twins by importing them one after another. `done` is
  /// called once, on the loop, never from within this call or a call of a protocol.
  void open(const RemoteLocator& locator, DeviceDone done);
  /// Starts the command; the device is at the other end of its standard input and output.
  void open(const CommandLocator& locator, DeviceDone done);
  /// Takes a connected descriptor over, whose other end announces a device; it is used in both
  /// directions, standard input together with standard output unless it is a socket.
  void open(const DescriptorLocator& locator, DeviceDone done);
  /// Imports the device of a locator without a serial number, and hands out the connection itself,
  /// with not one byte of the URB phase read. Blocks while the server answers.
  void import_connection(const RemoteLocator& locator, ConnectionDone done);
  /// Asks a server what it exports. `done` is called once, in the same way.
  void list(const link::Address& server, ListDone done);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace periprox::service

// What the command line asks for, one struct for each verb. No third-party type is in here, so that
// the verbs need not know how a command line is read.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/service/stage_options.hpp"
#include "periprox/usb/endpoint_address.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::app {

struct ServeOptions {
  std::vector<std::string> devices;  ///< Locators, or "all".
  std::vector<std::string> listen;   ///< Addresses, as typed.
  bool yes = false;                  ///< "all" is meant.
  service::StageOptions stages;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

struct ListOptions {
  std::string server;     ///< Empty: this machine.
  bool emulated = false;  ///< What can be emulated.
  bool json = false;
};

struct ShowOptions {
  std::string device;
  service::StageOptions stages;
  Duration timeout = std::chrono::seconds(5);
  bool json = false;
};

struct ControlTransfer {
  usb::SetupPacket setup;
};
struct InTransfer {
  usb::EndpointAddress endpoint;
  std::uint32_t length = 0;
  std::uint64_t count = 1;  ///< 0 = until interrupted.
};
struct OutTransfer {
  usb::EndpointAddress endpoint;
  bool zero_packet = false;
};

struct TransferOptions {
  std::string device;
  service::StageOptions stages;
  std::variant<ControlTransfer, InTransfer, OutTransfer> transfer;
  /// Interfaces and the alternate settings to select first.
  std::vector<std::pair<std::uint8_t, std::uint8_t>> settings;
  Duration timeout = std::chrono::seconds(5);
  bool hex = false;
  bool json = false;
};

struct InspectOptions {
  std::string file;
  std::string other;  ///< Compared with `file`; empty when nothing is compared.
  bool errors = false;
  bool summary = false;
  bool follow = false;
  bool json = false;
  std::optional<usb::EndpointAddress> endpoint;
  std::optional<usb::TransferType> type;
  double from = 0;  ///< Seconds after the first transfer.
  double until = std::numeric_limits<double>::infinity();
};

struct CaptureOptions {
  std::string device;
  std::string file;   ///< "-" is standard output.
  bool list = false;  ///< Only says what can be captured.
  std::uint32_t snap_length = service::StageOptions::kDefaultSnapLength;
  bool json = false;
};

/// What Wireshark asks of a program that captures for it.
struct ExtcapOptions {
  bool interfaces = false;
  bool link_types = false;
  bool config = false;
  bool capture = false;
  std::string interface;
  std::string fifo;
  std::uint32_t snap_length = service::StageOptions::kDefaultSnapLength;
  bool json = false;  ///< Never.
};

struct AttachOptions {
  std::vector<std::string> devices;  ///< Locators.
  bool direct = false;               ///< The kernel gets the server's connection itself.
  bool background = false;           ///< Return when the devices are usable.
  Duration wait = std::chrono::seconds(15);
  /// How long a server's machine may be silent.
  Duration silence = std::chrono::seconds(25);
  service::StageOptions stages;
  bool json = false;
  bool quiet = false;
};

struct DetachOptions {
  std::vector<std::string> ports;  ///< Port numbers, local bus ids or locators.
  bool all = false;
  Duration wait = std::chrono::seconds(10);
  bool json = false;
};

struct PortsOptions {
  bool all = false;  ///< Free ones too.
  bool json = false;
};

struct ExportOptions {
  std::string device;
  service::StageOptions stages;
  bool json = false;  ///< Errors only: standard output is the connection.
};

struct CheckOptions {
  std::string device;   ///< usbip://HOST/BUSID and its like; not for clients.
  bool client = false;  ///< Examines clients.
  std::string listen = "tcp://127.0.0.1:3240";  ///< Where clients come to.
  std::vector<std::string> match;
  std::vector<std::string> skip;
  Duration timeout = std::chrono::seconds(5);
  bool yes = false;   ///< The device may be changed.
  bool list = false;  ///< Only says which cases there are.
  bool json = false;
};

using Options = std::variant<ServeOptions, ListOptions, ShowOptions, TransferOptions,
                             InspectOptions, AttachOptions, DetachOptions, PortsOptions,
                             ExportOptions, CheckOptions, CaptureOptions, ExtcapOptions>;

}  // namespace periprox::app

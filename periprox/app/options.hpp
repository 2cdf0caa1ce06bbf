// What the command line asks for, one struct for each verb. No third-party type is in here, so that
// the verbs need not know how a command line is read.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "periprox/base/clock.hpp"
#include "periprox/service/stage_options.hpp"
#include "periprox/usb/endpoint_address.hpp"
#include "periprox/usb/setup_packet.hpp"

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

using Options = std::variant<ServeOptions, ListOptions, ShowOptions, TransferOptions>;

}  // namespace periprox::app

// Exclusive use of a device while it is exported, and everything given back afterwards.
//
// Each interface is detached from its kernel driver and claimed; the hub's port is claimed too
// where that is permitted, so that no driver takes the device when a reset drops the claims
// (drivers/usb/core/driver.c: usb_probe_interface() refuses a device whose port is owned). A record
// on disk says which drivers were detached, for the case that this process is killed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/physical/claim_journal.hpp"
#include "periprox/physical/usbfs.hpp"

namespace periprox::physical {

/// What is taken, and what was there before.
struct ClaimTarget {
  std::string name;  ///< For messages: "1-1.2".
  std::uint8_t configuration_value = 0;
  std::vector<std::uint8_t> interfaces;  ///< All of the active configuration.
  std::vector<std::uint8_t> driven;      ///< Those among them that a kernel driver held.
};

/// Holds a device for this process. Blocking calls throughout: not for the event loop. Not
/// thread-safe.
class Claim {
 public:
  /// Takes the device. When any interface cannot be had, the others are given back and this fails.
  /// `port_hold` is the node of the hub with its port claimed, or null where that is not permitted;
  /// `record` is null where none could be written.
  [[nodiscard]] static Result<std::unique_ptr<Claim>> take(std::shared_ptr<Usbfs> usbfs,
                                                           ClaimTarget target,
                                                           std::unique_ptr<Usbfs> port_hold,
                                                           std::unique_ptr<ClaimRecord> record);
  /// Takes nothing: for looking at a device that its drivers keep.
  [[nodiscard]] static std::unique_ptr<Claim> nothing(std::shared_ptr<Usbfs> usbfs,
                                                      std::string name,
                                                      std::uint8_t configuration_value);
  /// Gives back, unless that was done.
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  /// Releases every interface without looking for drivers, as SET_CONFIGURATION needs it.
  void release_interfaces();
  /// Claims these, which may be other ones than before. Returns 0 or an errno.
  int claim_interfaces(std::span<const std::uint8_t> interfaces);
  /// Notes that another configuration is active now.
  void note_configuration(std::uint8_t value) { configuration_value_ = value; }

  /// Releases everything, brings the configuration back, resets the device and lets the kernel's
  /// drivers have what they had.
  void give_back();
  /// Lets go of a device that is not there any more.
  void forget();

 private:
  Claim(std::shared_ptr<Usbfs> usbfs, ClaimTarget target, std::unique_ptr<Usbfs> port_hold,
        std::unique_ptr<ClaimRecord> record);

  std::shared_ptr<Usbfs> usbfs_;
  ClaimTarget target_;
  std::uint8_t configuration_value_;
  std::unique_ptr<Usbfs> port_hold_;
  std::unique_ptr<ClaimRecord> record_;
  std::vector<std::uint8_t> claimed_;
  bool held_ = true;
  bool used_ = false;
};

}  // namespace periprox::physical

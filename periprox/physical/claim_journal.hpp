// What is remembered on disk about devices taken from their kernel drivers.
//
// When a process is killed the kernel drops its claims, but gives no interface back to its driver.
// So each taken device has a small record in a folder under /run. Its owner holds a lock on it,
// which the kernel drops with the process: a record that can be locked is an abandoned one, and the
// next start gives its device back. No device without a record is ever touched.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/physical/system_paths.hpp"

namespace periprox::physical {

/// Which device, and which of its interfaces had a driver.
struct ClaimNote {
  std::string busid;
  std::uint32_t busnum = 0;
  std::uint32_t devnum = 0;
  std::uint16_t idVendor = 0;
  std::uint16_t idProduct = 0;
  std::uint8_t configuration_value = 0;
  std::vector<std::uint8_t> driven;
  friend bool operator==(const ClaimNote&, const ClaimNote&) = default;
};

/// The text of a record, and back; empty for anything that format_claim_note() did not write, a
/// record that was cut off included.
[[nodiscard]] std::string format_claim_note(const ClaimNote& note);
[[nodiscard]] std::optional<ClaimNote> parse_claim_note(std::string_view text);

/// A record that this process owns; dropping it removes it.
class ClaimRecord {
 public:
  ClaimRecord(std::filesystem::path path, UniqueFd locked);
  ~ClaimRecord();
  ClaimRecord(const ClaimRecord&) = delete;
  ClaimRecord& operator=(const ClaimRecord&) = delete;

 private:
  std::filesystem::path path_;
  UniqueFd locked_;
};

/// The folder of the records.
class ClaimJournal {
 public:
  explicit ClaimJournal(SystemPaths paths) : paths_(std::move(paths)) {}

  /// Writes the record of a device that is about to be taken. Interfaces that an abandoned record
  /// of the same device names are added, since their drivers are missing because of it. Fails with
  /// Busy when another process has the device.
  [[nodiscard]] Result<std::unique_ptr<ClaimRecord>> record(ClaimNote note) const;

  /// What became of an abandoned record.
  struct Restored {
    std::string busid;
    std::vector<std::uint8_t> interfaces;  ///< Those that have a driver again.
    std::vector<std::uint8_t> left;        ///< Those that still have none.
  };
  /// Gives every abandoned device back to its drivers and removes its record. Devices that are
  /// gone, or were replaced by another one, are left alone. Blocks while drivers probe.
  [[nodiscard]] std::vector<Restored> restore_abandoned() const;

 private:
  [[nodiscard]] std::filesystem::path folder() const { return paths_.run / "claims"; }
  [[nodiscard]] Restored restore(const ClaimNote& note) const;

  SystemPaths paths_;
};

}  // namespace periprox::physical

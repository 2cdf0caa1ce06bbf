// A disk on USB: the Bulk-Only Transport (Universal Serial Bus Mass Storage Class, Bulk-Only
// Transport, revision 1.0) around a SCSI disk.
//
// Command block wrapper, data, command status wrapper; what happens when host and device do not
// want the same is the thirteen cases of section 6.7.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "periprox/base/endian.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/scsi_disk.hpp"
#include "periprox/emulated/surroundings.hpp"

namespace periprox::emulated {

/// Command block wrapper (table 5.1).
struct CommandBlockWrapper {
  le32 dCBWSignature{};
  le32 dCBWTag{};
  le32 dCBWDataTransferLength{};
  std::uint8_t bmCBWFlags = 0;  ///< Bit 7: data goes to the host.
  std::uint8_t bCBWLUN = 0;
  std::uint8_t bCBWCBLength = 0;
  std::array<std::byte, 16> CBWCB{};
};
static_assert(sizeof(CommandBlockWrapper) == 31);

/// Command status wrapper (table 5.2).
struct CommandStatusWrapper {
  le32 dCSWSignature{};
  le32 dCSWTag{};
  le32 dCSWDataResidue{};
  std::uint8_t bCSWStatus = 0;
};
static_assert(sizeof(CommandStatusWrapper) == 13);

inline constexpr std::uint32_t kCbwSignature = 0x43425355;  // "USBC"
inline constexpr std::uint32_t kCswSignature = 0x53425355;  // "USBS"

/// The transport and the disk behind it. Held by shared_ptr; single-threaded.
class Storage : public std::enable_shared_from_this<Storage> {
 public:
  Storage(ScsiDisk disk, Surroundings surroundings);
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// To eject and insert media.
  [[nodiscard]] ScsiDisk& disk() { return disk_; }

 private:
  friend Function storage_function(const std::shared_ptr<Storage>& storage, Place place);

  enum class Phase : std::uint8_t {
    Command,  ///< Waits for a CBW.
    DataIn,
    StallIn,  ///< The next IN transfer is refused.
    DataOut,
    Working,  ///< The disk is at it; neither direction moves.
    Status,   ///< The next IN transfer gets the CSW.
    Broken,   ///< After a CBW that is none: refuses everything until reset recovery (5.3.4).
  };
  enum class Status : std::uint8_t { Passed = 0, Failed = 1, PhaseError = 2 };

  void take(OutTransfer transfer);
  void give(InTransfer transfer);
  void take_command(OutTransfer transfer);
  /// Decides on the phases of a command; true when the host's data is refused.
  [[nodiscard]] bool begin(const CommandBlockWrapper& wrapper);
  [[nodiscard]] bool begin_in();
  [[nodiscard]] bool begin_out(bool device_has_data);
  void begin_flush();
  void take_data(OutTransfer transfer);
  void give_data(InTransfer transfer);
  void give_status(InTransfer transfer);
  void answer_waiting();
  void finish(Status status) {
    status_ = status;
    phase_ = Phase::Status;
  }
  [[nodiscard]] bool fill(MutableBytes room) const;
  void mass_storage_reset();
  void reset();

  ScsiDisk disk_;
  Surroundings surroundings_;
  Phase phase_ = Phase::Command;
  Status status_ = Status::Passed;
  InTransfer waiting_in_;
  OutTransfer waiting_out_;

  // The command at hand.
  scsi::Action action_;
  std::shared_ptr<DiskImage> image_;
  std::uint32_t tag_ = 0;
  std::uint32_t host_length_ = 0;    ///< dCBWDataTransferLength
  std::uint64_t device_length_ = 0;  ///< What the device has or wants.
  std::uint32_t moved_ = 0;          ///< Bytes that went over the bus.
  std::uint32_t processed_ = 0;      ///< Of those, the ones that meant something.
  std::uint64_t generation_ = 0;     ///< Rises with each command and reset.
};

/// The disk as a function.
[[nodiscard]] Function storage_function(const std::shared_ptr<Storage>& storage, Place place);

[[nodiscard]] DeviceType storage_type();

}  // namespace periprox::emulated

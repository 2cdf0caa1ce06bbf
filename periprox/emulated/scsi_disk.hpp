// A SCSI disk: commands in, what to do with data and status out. It knows nothing of USB.
//
// SPC-4 and SBC-3, as far as hosts use them. A command is only decided here: reads and writes name
// the bytes of the image that are to be moved, and the transport moves them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"
#include "periprox/emulated/disk_image.hpp"

namespace periprox::emulated {

namespace scsi {

/// Sense key, additional sense code and its qualifier (SPC-4, 4.5.6).
struct Sense {
  std::uint8_t key = 0;
  std::uint8_t asc = 0;
  std::uint8_t ascq = 0;
  friend bool operator==(const Sense&, const Sense&) = default;
};
inline constexpr Sense kNoSense{};
inline constexpr Sense kNoMedium{2, 0x3a, 0x00};
inline constexpr Sense kWriteError{3, 0x0c, 0x00};
inline constexpr Sense kReadError{3, 0x11, 0x00};
inline constexpr Sense kInvalidCommand{5, 0x20, 0x00};
inline constexpr Sense kBeyondTheEnd{5, 0x21, 0x00};
inline constexpr Sense kInvalidField{5, 0x24, 0x00};
inline constexpr Sense kRemovalPrevented{5, 0x53, 0x02};
inline constexpr Sense kMediumChanged{6, 0x28, 0x00};
inline constexpr Sense kWriteProtected{7, 0x27, 0x00};

/// Done without data.
struct Good {};
/// CHECK CONDITION; the sense is kept for REQUEST SENSE.
struct Failed {};
/// These bytes go to the host.
struct DataIn {
  std::vector<std::byte> bytes;
};
/// These bytes of the image go to the host.
struct Read {
  std::uint64_t position = 0;
  std::uint64_t length = 0;
};
/// What the host sends goes to these bytes of the image.
struct Write {
  std::uint64_t position = 0;
  std::uint64_t length = 0;
};
/// What was written has to reach the medium; then it is done.
struct Flush {};

using Action = std::variant<Good, Failed, DataIn, Read, Write, Flush>;

}  // namespace scsi

struct ScsiDiskOptions {
  std::string vendor = "PeriProx";        ///< 8 characters.
  std::string product = "Emulated disk";  ///< 16 characters.
  std::string revision = "1.0";           ///< 4 characters.
  std::string serial_number = {};
  bool removable = false;
};

/// The logical unit and its medium. Single-threaded.
class ScsiDisk {
 public:
  /// `image` null: no medium is inserted, which only a removable disk can do without.
  ScsiDisk(ScsiDiskOptions options, std::shared_ptr<DiskImage> image);

  /// Decides what a command does; `cdb` has 1 to 16 bytes.
  [[nodiscard]] scsi::Action execute(Bytes cdb);
  /// Notes why the last command failed after all.
  void fail_with(scsi::Sense sense) { sense_ = sense; }
  [[nodiscard]] scsi::Sense sense() const { return sense_; }

  /// The medium; null when there is none.
  [[nodiscard]] const std::shared_ptr<DiskImage>& image() const { return image_; }
  [[nodiscard]] bool is_removable() const { return options_.removable; }
  /// Takes the medium out, whatever the host says; it is told by a unit attention.
  void eject();
  /// Puts a medium in.
  void insert(std::shared_ptr<DiskImage> image);
  /// Called when the host ejects the medium (false) or wants it back (true).
  std::function<void(bool load)> on_load;

  /// Forgets what a reset forgets: sense and the host's wish to keep the medium.
  void reset();

 private:
  [[nodiscard]] scsi::Action run(Bytes cdb);
  [[nodiscard]] scsi::Action check(scsi::Sense sense);
  [[nodiscard]] scsi::Action answer(std::vector<std::byte> bytes, std::size_t allocation) const;
  [[nodiscard]] scsi::Action report_luns(std::size_t allocation) const;
  [[nodiscard]] scsi::Action inquiry(Bytes cdb);
  [[nodiscard]] std::vector<std::byte> standard_inquiry() const;
  [[nodiscard]] std::vector<std::byte> vital_product_data(std::uint8_t page) const;
  [[nodiscard]] scsi::Action request_sense(Bytes cdb);
  [[nodiscard]] scsi::Action mode_sense(Bytes cdb, bool is_long);
  [[nodiscard]] scsi::Action start_stop(Bytes cdb);
  [[nodiscard]] scsi::Action prevent_removal(Bytes cdb);
  [[nodiscard]] scsi::Action format_capacities(Bytes cdb) const;
  [[nodiscard]] scsi::Action capacity10(Bytes cdb) const;
  [[nodiscard]] scsi::Action capacity16(Bytes cdb);
  [[nodiscard]] scsi::Action move(Bytes cdb, std::uint64_t block, std::uint64_t count);
  [[nodiscard]] scsi::Action verify(Bytes cdb, std::uint64_t block, std::uint64_t count);

  ScsiDiskOptions options_;
  std::shared_ptr<DiskImage> image_;
  scsi::Sense sense_;
  scsi::Sense attention_;
  bool removal_prevented_ = false;
};

}  // namespace periprox::emulated

#include "periprox/emulated/scsi_disk.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "periprox/base/endian.hpp"

namespace periprox::emulated {
namespace {

using namespace scsi;  // NOLINT(google-build-using-namespace): the words of this file

using be64 = Ordered<std::uint64_t, std::endian::big>;

/// Operation codes (SPC-4, annex E; SBC-3, 5).
enum Opcode : std::uint8_t {
  kTestUnitReady = 0x00,
  kRequestSense = 0x03,
  kInquiry = 0x12,
  kModeSense6 = 0x1a,
  kStartStopUnit = 0x1b,
  kPreventAllowMediumRemoval = 0x1e,
  kReadFormatCapacities = 0x23,
  kReadCapacity10 = 0x25,
  kRead10 = 0x28,
  kWrite10 = 0x2a,
  kVerify10 = 0x2f,
  kSynchronizeCache10 = 0x35,
  kModeSense10 = 0x5a,
  kRead16 = 0x88,
  kWrite16 = 0x8a,
  kVerify16 = 0x8f,
  kSynchronizeCache16 = 0x91,
  kServiceActionIn16 = 0x9e,
  kReportLuns = 0xa0,
  kRead12 = 0xa8,
  kWrite12 = 0xaa,
};
constexpr std::uint8_t kReadCapacity16 = 0x10;  // Service action of SERVICE ACTION IN(16).

std::uint8_t byte_at(Bytes bytes, std::size_t place) {
  return std::to_integer<std::uint8_t>(bytes[place]);
}
template <typename T>
std::uint64_t number_at(Bytes bytes, std::size_t place) {
  return read_as<T>(bytes.subspan(place)).value_or(T{});
}

/// Length of a command by its group (SPC-4, 4.2.5.1).
std::size_t length_of(std::uint8_t opcode) {
  switch (opcode >> 5) {
    case 0:
      return 6;
    case 1:
    case 2:
      return 10;
    case 4:
      return 16;
    case 5:
      return 12;
    default:
      return 0;
  }
}

/// `text` in a field of `width` characters, filled with blanks; what is not ASCII becomes '?'.
void put_text(ByteWriter& out, std::string_view text, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    out.put(c >= ' ' && c <= '~' ? c : '?');
  }
}

bool needs_medium(std::uint8_t opcode) {
  switch (opcode) {
    case kInquiry:
    case kRequestSense:
    case kReportLuns:
    case kStartStopUnit:
    case kModeSense6:
    case kModeSense10:
    case kReadFormatCapacities:
      return false;
    default:
      return true;
  }
}

/// INQUIRY, REPORT LUNS and REQUEST SENSE pass by a unit attention (SPC-4, 5.14).
bool passes_attention(std::uint8_t opcode) {
  return opcode == kInquiry || opcode == kReportLuns || opcode == kRequestSense;
}

}  // namespace

ScsiDisk::ScsiDisk(ScsiDiskOptions options, std::shared_ptr<DiskImage> image)
    : options_(std::move(options)), image_(std::move(image)) {}

Action ScsiDisk::execute(Bytes cdb) {
  const auto opcode = byte_at(cdb, 0);
  // A command shorter than its length counts as padded with zeros: hosts leave them out.
  std::array<std::byte, 16> padded{};
  std::ranges::copy(cdb.first(std::min(cdb.size(), padded.size())), padded.begin());
  if (length_of(opcode) == 0) return check(kInvalidCommand);
  if (attention_ != kNoSense && !passes_attention(opcode)) {
    return check(std::exchange(attention_, kNoSense));
  }
  if (opcode != kRequestSense) sense_ = kNoSense;
  if (image_ == nullptr && needs_medium(opcode)) return check(kNoMedium);
  return run(padded);
}

Action ScsiDisk::run(Bytes cdb) {
  switch (byte_at(cdb, 0)) {
    case kTestUnitReady:
      return Good{};
    case kRequestSense:
      return request_sense(cdb);
    case kInquiry:
      return inquiry(cdb);
    case kModeSense6:
      return mode_sense(cdb, false);
    case kModeSense10:
      return mode_sense(cdb, true);
    case kStartStopUnit:
      return start_stop(cdb);
    case kPreventAllowMediumRemoval:
      return prevent_removal(cdb);
    case kReadFormatCapacities:
      return format_capacities(cdb);
    case kReadCapacity10:
      return capacity10(cdb);
    case kServiceActionIn16:
      return capacity16(cdb);
    case kRead10:
    case kWrite10:
      return move(cdb, number_at<be32>(cdb, 2), number_at<be16>(cdb, 7));
    case kRead12:
    case kWrite12:
      return move(cdb, number_at<be32>(cdb, 2), number_at<be32>(cdb, 6));
    case kRead16:
    case kWrite16:
      return move(cdb, number_at<be64>(cdb, 2), number_at<be32>(cdb, 10));
    case kVerify10:
      return verify(cdb, number_at<be32>(cdb, 2), number_at<be16>(cdb, 7));
    case kVerify16:
      return verify(cdb, number_at<be64>(cdb, 2), number_at<be32>(cdb, 10));
    case kSynchronizeCache10:
    case kSynchronizeCache16:
      // A range is flushed by flushing everything.
      return Flush{};
    case kReportLuns:
      return report_luns(number_at<be32>(cdb, 6));
    default:
      return check(kInvalidCommand);
  }
}

Action ScsiDisk::check(Sense sense) {
  sense_ = sense;
  return Failed{};
}

/// Only unit 0 (SPC-4, 6.33).
Action ScsiDisk::report_luns(std::size_t allocation) const {
  ByteWriter out;
  out.put(be32(8));
  out.put(std::array<std::uint8_t, 12>{});
  return answer(out.release(), allocation);
}

/// As much as the host has room for.
Action ScsiDisk::answer(std::vector<std::byte> bytes, std::size_t allocation) const {
  bytes.resize(std::min(bytes.size(), allocation));
  return DataIn{std::move(bytes)};
}

// --- What the disk says about itself -------------------------------------------------------------

Action ScsiDisk::inquiry(Bytes cdb) {
  const auto page = byte_at(cdb, 2);
  const auto allocation = number_at<be16>(cdb, 3);
  const bool wants_page = (byte_at(cdb, 1) & 1U) != 0;
  if (!wants_page) {
    if (page != 0) return check(kInvalidField);
    return answer(standard_inquiry(), allocation);
  }
  auto bytes = vital_product_data(page);
  if (bytes.empty()) return check(kInvalidField);
  return answer(std::move(bytes), allocation);
}

std::vector<std::byte> ScsiDisk::standard_inquiry() const {
  ByteWriter out;
  const std::uint8_t removable = options_.removable ? 0x80 : 0;
  constexpr std::uint8_t kSpc4 = 0x06;
  // Direct access block device; response format 2; 31 more bytes.
  out.put(std::array<std::uint8_t, 8>{0x00, removable, kSpc4, 0x02, 31, 0, 0, 0});
  put_text(out, options_.vendor, 8);
  put_text(out, options_.product, 16);
  put_text(out, options_.revision, 4);
  return out.release();
}

/// VPD pages: supported pages, serial number, identification, block limits, characteristics
/// (SPC-4, 7.8; SBC-3, 6.6). Empty for others.
std::vector<std::byte> ScsiDisk::vital_product_data(std::uint8_t page) const {
  ByteWriter body;
  constexpr std::size_t kSerialWidth = 20;
  switch (page) {
    case 0x00:
      body.put(std::array<std::uint8_t, 5>{0x00, 0x80, 0x83, 0xb0, 0xb1});
      break;
    case 0x80:
      put_text(body, options_.serial_number,
               std::max<std::size_t>(options_.serial_number.size(), 1));
      break;
    case 0x83:
      // One designator: ASCII, of the logical unit, T10 vendor identification.
      body.put(std::array<std::uint8_t, 4>{0x02, 0x01, 0, 8 + 16 + kSerialWidth});
      put_text(body, options_.vendor, 8);
      put_text(body, options_.product, 16);
      put_text(body, options_.serial_number, kSerialWidth);
      break;
    case 0xb0: {
      std::array<std::uint8_t, 60> limits{};
      body.put(limits);
      break;
    }
    case 0xb1: {
      std::array<std::uint8_t, 60> characteristics{};
      characteristics[1] = 1;  // MEDIUM ROTATION RATE 0001h: it does not rotate.
      body.put(characteristics);
      break;
    }
    default:
      return {};
  }
  ByteWriter out;
  out.put(std::array<std::uint8_t, 2>{0x00, page});
  out.put(be16(static_cast<std::uint16_t>(body.bytes().size())));
  out.put_bytes(body.bytes());
  return out.release();
}

/// Fixed format (SPC-4, 4.5.3); the sense is gone once it was told.
Action ScsiDisk::request_sense(Bytes cdb) {
  auto told = std::exchange(sense_, kNoSense);
  if (told == kNoSense) told = std::exchange(attention_, kNoSense);
  std::array<std::uint8_t, 18> bytes{};
  bytes[0] = 0x70;
  bytes[2] = told.key;
  bytes[7] = 10;
  bytes[12] = told.asc;
  bytes[13] = told.ascq;
  const auto raw = bytes_of(bytes);
  return answer({raw.begin(), raw.end()}, byte_at(cdb, 4));
}

/// The caching page (SBC-3, 6.4.5) says that there is a write cache, so that hosts flush it.
Action ScsiDisk::mode_sense(Bytes cdb, bool is_long) {
  constexpr std::uint8_t kCachingPage = 0x08;
  constexpr std::uint8_t kAllPages = 0x3f;
  const std::uint8_t page = byte_at(cdb, 2) & 0x3f;
  const std::uint8_t control = byte_at(cdb, 2) >> 6;
  if (page != kCachingPage && page != kAllPages) return check(kInvalidField);
  if (control == 3) return check({5, 0x39, 0x00});  // Saved values are not supported.
  std::array<std::uint8_t, 20> caching{kCachingPage, 18};
  caching[2] = control == 1 ? 0 : 0x04;  // WCE, which nobody can change.
  const bool read_only = image_ != nullptr && image_->is_read_only();
  const std::uint8_t device_specific = read_only ? 0x80 : 0;
  ByteWriter out;
  if (is_long) {
    out.put(be16(6 + caching.size()));
    out.put(std::array<std::uint8_t, 6>{0, device_specific, 0, 0, 0, 0});
  } else {
    out.put(std::array<std::uint8_t, 4>{3 + caching.size(), 0, device_specific, 0});
  }
  out.put(caching);
  return answer(out.release(), is_long ? number_at<be16>(cdb, 7) : byte_at(cdb, 4));
}

// --- The medium ----------------------------------------------------------------------------------

Action ScsiDisk::start_stop(Bytes cdb) {
  const bool start = (byte_at(cdb, 4) & 1U) != 0;
  const bool load_eject = (byte_at(cdb, 4) & 2U) != 0;
  if (!load_eject) return image_ != nullptr || !start ? Action(Flush{}) : check(kNoMedium);
  if (!options_.removable) return check(kInvalidField);
  if (!start && removal_prevented_ && image_ != nullptr) return check(kRemovalPrevented);
  if (!start) {
    // The host knows: no unit attention.
    const auto flushed = image_;
    image_.reset();
    if (flushed != nullptr && !flushed->flush()) return check(kWriteError);
  }
  if (on_load) on_load(start);
  return Good{};
}

Action ScsiDisk::prevent_removal(Bytes cdb) {
  if (!options_.removable) return check(kInvalidCommand);
  removal_prevented_ = (byte_at(cdb, 4) & 1U) != 0;
  return Good{};
}

void ScsiDisk::eject() {
  if (image_ == nullptr) return;
  (void)image_->flush();
  image_.reset();
  removal_prevented_ = false;
  attention_ = kMediumChanged;
}

void ScsiDisk::insert(std::shared_ptr<DiskImage> image) {
  image_ = std::move(image);
  attention_ = kMediumChanged;
}

void ScsiDisk::reset() {
  sense_ = kNoSense;
  removal_prevented_ = false;
}

Action ScsiDisk::format_capacities(Bytes cdb) const {
  ByteWriter out;
  const bool there = image_ != nullptr;
  const std::uint64_t blocks =
      there ? image_->sectors() : std::numeric_limits<std::uint32_t>::max();
  const std::uint32_t size = there ? image_->sector_size() : 512;
  const auto told = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(blocks, std::numeric_limits<std::uint32_t>::max()));
  out.put(be32(8));
  out.put(be32(told));
  // Descriptor type: formatted medium, or none (UFI 1.0, 4.10).
  out.put(be32((there ? 2U : 3U) << 24 | size));
  return answer(out.release(), number_at<be16>(cdb, 7));
}

Action ScsiDisk::capacity10(Bytes /*cdb*/) const {
  ByteWriter out;
  // All ones: ask with READ CAPACITY(16).
  const auto last =
      std::min<std::uint64_t>(image_->sectors() - 1, std::numeric_limits<std::uint32_t>::max());
  out.put(be32(static_cast<std::uint32_t>(last)));
  out.put(be32(image_->sector_size()));
  return DataIn{out.release()};
}

Action ScsiDisk::capacity16(Bytes cdb) {
  if ((byte_at(cdb, 1) & 0x1f) != kReadCapacity16) return check(kInvalidField);
  ByteWriter out;
  out.put(be64(image_->sectors() - 1));
  out.put(be32(image_->sector_size()));
  out.put(std::array<std::uint8_t, 20>{});
  return answer(out.release(), number_at<be32>(cdb, 10));
}

// --- Data ----------------------------------------------------------------------------------------

/// READ and WRITE in all their lengths.
Action ScsiDisk::move(Bytes cdb, std::uint64_t block, std::uint64_t count) {
  if (block > image_->sectors() || count > image_->sectors() - block) return check(kBeyondTheEnd);
  const auto position = block * image_->sector_size();
  const auto length = count * image_->sector_size();
  // Bit 1 of the operation code tells writing from reading.
  if ((byte_at(cdb, 0) & 2U) == 0) return Read{position, length};
  if (image_->is_read_only()) return check(kWriteProtected);
  return Write{position, length};
}

Action ScsiDisk::verify(Bytes cdb, std::uint64_t block, std::uint64_t count) {
  // BYTCHK asks for a comparison with data, which nobody does over USB.
  if ((byte_at(cdb, 1) & 6U) != 0) return check(kInvalidField);
  if (block > image_->sectors() || count > image_->sectors() - block) return check(kBeyondTheEnd);
  return Good{};
}

}  // namespace periprox::emulated

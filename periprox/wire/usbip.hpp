// The whole of USB/IP on one screen: every message, byte for byte.
//
// linux: Documentation/usb/usbip_protocol.rst, include/uapi/linux/usbip.h,
// drivers/usb/usbip/usbip_common.h, tools/usb/usbip/src/usbip_network.h. All integers are
// big-endian, except inside the setup packet. docs/protocols/usbip.md has the byte tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "periprox/base/bytes.hpp"
#include "periprox/base/endian.hpp"
#include "periprox/base/strong_id.hpp"
#include "periprox/usb/device_model.hpp"
#include "periprox/usb/setup_packet.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::wire::usbip {

inline constexpr std::uint16_t kDefaultPort = 3240;
inline constexpr std::uint16_t kVersion = 0x0111;

// ---- Management phase: one request, one reply ---------------------------------------------------

enum class OpCode : std::uint16_t {
  ImportRequest = 0x8003,
  ImportReply = 0x0003,
  DevlistRequest = 0x8005,
  DevlistReply = 0x0005,
};

/// The status word of a reply; one that is not Ok is not followed by anything.
enum class OpStatus : std::uint32_t {
  Ok = 0,
  NotAvailable = 1,
  DeviceBusy = 2,
  DeviceError = 3,
  NoSuchDevice = 4,
  UnexpectedResponse = 5,
};
/// "the device is in use by another client", …; also for numbers that no standard names.
[[nodiscard]] std::string op_status_text(std::uint32_t status);

struct OpHeader {
  be16 version{kVersion};
  be16 code{};
  be32 status{};
};
static_assert(sizeof(OpHeader) == 8);

/// A name in a fixed field, NUL-padded and NUL-terminated inside it.
template <std::size_t N>
using NameField = std::array<char, N>;
/// The text up to the first NUL; empty when there is none in the field.
template <std::size_t N>
[[nodiscard]] std::optional<std::string_view> name_in(const NameField<N>& field) {
  const auto end = std::string_view(field.data(), N).find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  return std::string_view(field.data(), end);
}
/// Writes `name` into a field; cut so that a NUL fits.
template <std::size_t N>
[[nodiscard]] NameField<N> make_name(std::string_view name) {
  NameField<N> field{};
  const auto used = name.substr(0, N - 1);
  used.copy(field.data(), used.size());
  return field;
}

inline constexpr std::size_t kBusIdSize = 32;

struct DeviceRecord {
  NameField<256> path{};
  NameField<kBusIdSize> busid{};
  be32 busnum{};
  be32 devnum{};
  be32 speed{};
  be16 idVendor{};
  be16 idProduct{};
  be16 bcdDevice{};
  std::uint8_t bDeviceClass = 0;
  std::uint8_t bDeviceSubClass = 0;
  std::uint8_t bDeviceProtocol = 0;
  std::uint8_t bConfigurationValue = 0;
  std::uint8_t bNumConfigurations = 0;
  std::uint8_t bNumInterfaces = 0;
};
static_assert(sizeof(DeviceRecord) == 312);

struct InterfaceRecord {
  std::uint8_t bInterfaceClass = 0;
  std::uint8_t bInterfaceSubClass = 0;
  std::uint8_t bInterfaceProtocol = 0;
  std::uint8_t padding = 0;
};
static_assert(sizeof(InterfaceRecord) == 4);

struct ImportRequest {
  OpHeader header{.code = static_cast<std::uint16_t>(OpCode::ImportRequest)};
  NameField<kBusIdSize> busid{};
};
static_assert(sizeof(ImportRequest) == 40);

struct ImportReply {
  OpHeader header{.code = static_cast<std::uint16_t>(OpCode::ImportReply)};
  DeviceRecord device;
};
static_assert(sizeof(ImportReply) == 320);

struct DevlistReplyHead {
  OpHeader header{.code = static_cast<std::uint16_t>(OpCode::DevlistReply)};
  be32 device_count{};
};
static_assert(sizeof(DevlistReplyHead) == 12);

/// Where a device stands: the identity that a server gives it. busnum and devnum are at most 255,
/// because stock `usbip attach` squeezes them through 8 bits.
struct DeviceAddress {
  std::string path;   ///< Shown to people; sysfs path on Linux.
  std::string busid;  ///< "1-1.2"; at most 31 characters.
  std::uint16_t busnum = 0;
  std::uint16_t devnum = 0;

  [[nodiscard]] std::uint32_t devid() const { return std::uint32_t{busnum} << 16 | devnum; }
};

/// The record of a device as DEVLIST and IMPORT replies carry it.
[[nodiscard]] DeviceRecord encode_device(const DeviceAddress& address,
                                         const usb::DeviceModel& model);

// ---- URB phase: headers of 48 bytes, then data, then ISO descriptors
// ------------------------------

using Seqnum = StrongId<struct SeqnumTag, std::uint32_t>;

enum class Command : std::uint32_t { CmdSubmit = 1, CmdUnlink = 2, RetSubmit = 3, RetUnlink = 4 };

/// transfer_flags that mean something to an exporter (include/uapi/linux/usbip.h).
inline constexpr std::uint32_t kFlagShortNotOk = 0x0001;
inline constexpr std::uint32_t kFlagIsoAsap = 0x0002;
inline constexpr std::uint32_t kFlagZeroPacket = 0x0040;
inline constexpr std::uint32_t kFlagDirIn = 0x0200;

[[nodiscard]] std::uint32_t encode_flags(const usb::TransferFlags& flags);
[[nodiscard]] usb::TransferFlags decode_flags(std::uint32_t flags);

struct BasicHeader {
  be32 command{};
  be32 seqnum{};
  be32 devid{};      ///< 0 in replies.
  be32 direction{};  ///< 0 OUT, 1 IN; 0 in replies.
  be32 ep{};         ///< Endpoint number 0..15; 0 in replies.
};
static_assert(sizeof(BasicHeader) == 20);

struct CmdSubmit {
  BasicHeader basic;
  be32 transfer_flags{};
  sbe32 transfer_buffer_length{};
  sbe32 start_frame{};
  sbe32 number_of_packets{};  ///< Non-ISO: 0 from Linux, -1 from Windows; mirrored, never used as a
                              ///< size.
  sbe32 interval{};
  usb::SetupPacket setup;  ///< Little-endian, as on the bus.
};

struct CmdUnlink {
  BasicHeader basic;
  be32 unlink_seqnum{};
  std::array<std::uint8_t, 24> padding{};
};

struct RetSubmit {
  BasicHeader basic;
  sbe32 status{};
  sbe32 actual_length{};
  sbe32 start_frame{};
  sbe32 number_of_packets{};
  sbe32 error_count{};
  std::array<std::uint8_t, 8> padding{};
};

struct RetUnlink {
  BasicHeader basic;
  sbe32 status{};
  std::array<std::uint8_t, 24> padding{};
};

inline constexpr std::size_t kHeaderSize = 48;
static_assert(sizeof(CmdSubmit) == kHeaderSize && sizeof(CmdUnlink) == kHeaderSize);
static_assert(sizeof(RetSubmit) == kHeaderSize && sizeof(RetUnlink) == kHeaderSize);

struct IsoDescriptor {
  be32 offset{};
  be32 length{};
  be32 actual_length{};
  sbe32 status{};  ///< A negative errno.
};
static_assert(sizeof(IsoDescriptor) == 16);

/// Most packets in one isochronous URB, on the wire (USBIP_MAX_ISO_PACKETS).
inline constexpr std::uint32_t kMaxIsoPackets = 1024;
/// Linux submits isochronous packets with this status.
inline constexpr std::int32_t kIsoStatusAtSubmit = -18;  // -EXDEV

[[nodiscard]] IsoDescriptor encode_iso(const usb::IsoPacket& packet);
[[nodiscard]] usb::IsoPacket decode_iso(const IsoDescriptor& descriptor);

/// The wire's number for an outcome, and back; unknown or positive numbers are protocol errors.
[[nodiscard]] std::int32_t encode_status(usb::Status status);
[[nodiscard]] usb::Status decode_status(std::int32_t status);

/// The command of a 48-byte header, if it is one of the four.
[[nodiscard]] std::optional<Command> decode_command(std::uint32_t command);

// ---- ISO data: sparse in memory, packed on the wire
// -------------------------------------------------

/// Moves the packets' data together, in place, so that packet i's actual_length(i) bytes follow
/// packet i-1's (RET_SUBMIT IN). Packets lie at ascending offsets inside `data`. Returns the sum.
std::size_t pack_iso(MutableBytes data, std::span<const usb::IsoPacket> packets);
/// The inverse: moves packed data to each packet's offset, from the last to the first.
/// The caller has checked the packets with check_iso_layout() and the sum of their actual lengths.
void unpack_iso(MutableBytes data, std::span<const usb::IsoPacket> packets);

/// Says what is wrong with the layout of packets in a buffer of `length` bytes: each must lie
/// inside it, in ascending order without overlap. Empty when nothing is.
[[nodiscard]] std::optional<std::string> check_iso_layout(std::span<const usb::IsoPacket> packets,
                                                          std::uint32_t length);

}  // namespace periprox::wire::usbip

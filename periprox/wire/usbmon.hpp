// The records of Linux' usbmon: link type 220 (64-byte header), read and written, and its older
// form 189 (48 bytes), read.
//
// linux: drivers/usb/mon/mon_bin.c, Documentation/usb/usbmon.rst. What PeriProx writes is
// little-endian, as the section it stands in. Isochronous descriptors follow the header, then the
// data; isochronous IN data lies at the offsets that the descriptors say (sparse).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "periprox/base/endian.hpp"
#include "periprox/wire/usb_record.hpp"

namespace periprox::wire::usbmon {

/// Mirrors struct mon_bin_hdr.
struct Header {
  le64 id{};
  std::uint8_t event = 'S';        ///< 'S' submission, 'C' completion, 'E' submission error
  std::uint8_t transfer_type = 0;  ///< 0 isochronous, 1 interrupt, 2 control, 3 bulk
  std::uint8_t endpoint = 0;       ///< 0x80 for IN
  std::uint8_t device = 0;
  le16 bus{};
  std::uint8_t setup_flag = '-';  ///< 0 when `setup` is one
  std::uint8_t data_flag = 0;     ///< 0 when data may follow, '<' or '>' when it is elsewhere
  sle64 seconds{};
  sle32 microseconds{};
  sle32 status{};
  le32 length{};
  le32 captured_length{};            ///< Of what follows the header.
  std::array<std::byte, 8> setup{};  ///< Setup packet, or IsoCounts
  sle32 interval{};
  sle32 start_frame{};
  le32 transfer_flags{};
  le32 descriptor_count{};
};
static_assert(sizeof(Header) == 64);

struct IsoCounts {
  sle32 error_count{};
  sle32 descriptor_count{};
};

struct IsoDescriptor {
  sle32 status{};
  le32 offset{};
  le32 length{};
  le32 padding{};
};
static_assert(sizeof(IsoDescriptor) == 16);

inline constexpr std::size_t kShortHeaderSize = 48;

/// Who and when, which an URB does not know itself.
struct Stamp {
  std::uint64_t id = 0;
  std::uint64_t time = 0;  ///< Nanoseconds since 1970.
  std::uint16_t bus = 0;
  std::uint8_t device = 0;
};

/// A record to be written: the header, how many isochronous descriptors follow it, and the data
/// that follows those.
struct Outgoing {
  Header header;
  std::size_t descriptor_count = 0;
  Bytes data;  ///< All of it; whoever writes cuts it.

  [[nodiscard]] std::size_t size() const {
    return sizeof(Header) + descriptor_count * sizeof(IsoDescriptor) + data.size();
  }
};

/// The record of an URB that is submitted, or that completed. At most kMaxDescriptors packets are
/// told of. Refers to the payload of `urb`.
[[nodiscard]] Outgoing outgoing(const usb::UrbData& urb, UsbRecord::Event event,
                                const Stamp& stamp);
/// The i-th isochronous descriptor of that record.
[[nodiscard]] IsoDescriptor outgoing_descriptor(const usb::UrbData& urb, UsbRecord::Event event,
                                                std::size_t i);

/// Reads a packet of link type 220 (`has_long_header`) or 189. Empty when it is no such record. A
/// packet that was cut has less data than its header says.
[[nodiscard]] std::optional<UsbRecord> decode(Bytes packet, bool has_long_header, bool big_endian);

inline constexpr std::size_t kMaxDescriptors = 1024;

}  // namespace periprox::wire::usbmon

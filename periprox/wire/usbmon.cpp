#include "periprox/wire/usbmon.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace periprox::wire::usbmon {
namespace {

using usb::TransferType;
using Event = UsbRecord::Event;

/// Linux' URB_* transfer flags (include/linux/usb.h) that mean something beyond the host.
constexpr std::uint32_t kShortNotOk = 0x0001;
constexpr std::uint32_t kIsoAsap = 0x0002;
constexpr std::uint32_t kZeroPacket = 0x0040;
constexpr std::uint32_t kDirectionIn = 0x0200;

/// usbmon's own numbers, which are not the descriptors'.
constexpr std::array<TransferType, 4> kTypes{TransferType::Isochronous, TransferType::Interrupt,
                                             TransferType::Control, TransferType::Bulk};

std::uint8_t type_number(TransferType type) {
  return static_cast<std::uint8_t>(std::find(kTypes.begin(), kTypes.end(), type) - kTypes.begin());
}

std::uint32_t flags_of(const usb::UrbData& urb) {
  return (urb.flags.short_not_ok ? kShortNotOk : 0) | (urb.flags.iso_asap ? kIsoAsap : 0) |
         (urb.flags.zero_packet ? kZeroPacket : 0) | (urb.is_in() ? kDirectionIn : 0);
}

/// Bytes from the first to the last that isochronous IN packets brought, gaps included.
std::uint32_t sparse_length(const usb::UrbData& urb) {
  std::uint32_t end = 0;
  for (const auto& packet : urb.iso_packets) {
    if (packet.actual_length != 0) end = std::max(end, packet.offset + packet.actual_length);
  }
  return std::min(end, urb.payload.capacity());
}

Bytes data_of(const usb::UrbData& urb, bool is_submission, std::uint32_t length) {
  // OUT data is on the submission, IN data on the completion.
  if (urb.is_in() == is_submission || !urb.payload) return {};
  return urb.payload.first(std::min(length, urb.payload.capacity()));
}

template <typename T>
T swapped(T value) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else {
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  }
}

/// Reads the fields of a header in the byte order of its section.
class Order {
 public:
  explicit Order(bool big_endian) : big_endian_(big_endian) {}
  template <typename T>
  T operator()(Ordered<T, std::endian::little> field) const {
    const T value = field;
    return big_endian_ ? swapped(value) : value;
  }

 private:
  bool big_endian_;
};

std::optional<Event> event_of(std::uint8_t letter) {
  switch (letter) {
    case 'S':
      return Event::Submit;
    case 'C':
      return Event::Complete;
    case 'E':
      return Event::Error;
    default:
      return std::nullopt;
  }
}

}  // namespace

Outgoing outgoing(const usb::UrbData& urb, Event event, const Stamp& stamp) {
  const bool is_submission = event == Event::Submit;
  Outgoing record;
  auto& header = record.header;
  header.id = stamp.id;
  header.event = is_submission ? 'S' : event == Event::Complete ? 'C' : 'E';
  header.transfer_type = type_number(urb.type);
  header.endpoint = urb.endpoint.value();
  header.device = stamp.device;
  header.bus = stamp.bus;
  header.seconds = static_cast<std::int64_t>(stamp.time / 1'000'000'000);
  header.microseconds = static_cast<std::int32_t>(stamp.time % 1'000'000'000 / 1000);
  const auto status = is_submission ? usb::Status::InProgress : urb.status;
  header.status = -usb::to_errno(status);
  header.transfer_flags = flags_of(urb);

  std::uint32_t length = is_submission ? urb.length : urb.actual_length;
  if (urb.type == TransferType::Control) {
    if (is_submission) {
      header.setup_flag = 0;
      std::memcpy(header.setup.data(), &urb.setup, sizeof(urb.setup));
    }
  } else if (urb.type == TransferType::Interrupt) {
    header.interval = static_cast<std::int32_t>(urb.interval);
  } else if (urb.type == TransferType::Isochronous) {
    if (!is_submission && urb.is_in()) length = sparse_length(urb);
    record.descriptor_count = std::min(urb.iso_packets.size(), kMaxDescriptors);
    const IsoCounts counts{
        .error_count = is_submission ? 0 : static_cast<std::int32_t>(urb.error_count),
        .descriptor_count = static_cast<std::int32_t>(urb.iso_packets.size())};
    std::memcpy(header.setup.data(), &counts, sizeof(counts));
    header.interval = static_cast<std::int32_t>(urb.interval);
    header.start_frame = urb.start_frame;
    header.descriptor_count = static_cast<std::uint32_t>(record.descriptor_count);
  }
  header.length = length;
  record.data = data_of(urb, is_submission, length);
  if (urb.is_in() == is_submission) header.data_flag = is_submission ? '<' : '>';
  return record;
}

IsoDescriptor outgoing_descriptor(const usb::UrbData& urb, Event event, std::size_t i) {
  const auto& packet = urb.iso_packets[i];
  if (event == Event::Submit) {
    return {.status = -usb::to_errno(usb::Status::InProgress),
            .offset = packet.offset,
            .length = packet.length};
  }
  return {.status = -usb::to_errno(packet.status),
          .offset = packet.offset,
          .length = packet.actual_length};
}

std::optional<UsbRecord> decode(Bytes packet, bool has_long_header, bool big_endian) {
  Header header;
  const std::size_t header_size = has_long_header ? sizeof(Header) : kShortHeaderSize;
  if (packet.size() < header_size) return std::nullopt;
  std::memcpy(&header, packet.data(), header_size);
  const auto event = event_of(header.event);
  if (!event || header.transfer_type >= kTypes.size()) return std::nullopt;

  const Order in_order(big_endian);
  UsbRecord record{.id = in_order(header.id),
                   .event = *event,
                   .type = kTypes[header.transfer_type],
                   .endpoint = usb::EndpointAddress(header.endpoint),
                   .bus = in_order(header.bus),
                   .device = header.device,
                   .status = usb::status_from_errno(in_order(header.status)),
                   .length = in_order(header.length)};
  if (header.setup_flag == 0 && record.type == TransferType::Control)
    record.setup = read_as<usb::SetupPacket>(Bytes(header.setup));

  auto rest = packet.subspan(header_size);
  if (!has_long_header) {
    // The short header says nothing of isochronous packets: their data is as it is.
    record.data = header.data_flag == 0 ? rest : Bytes{};
    return record;
  }
  rest = rest.first(std::min<std::size_t>(rest.size(), in_order(header.captured_length)));
  const auto flags = in_order(header.transfer_flags);
  record.flags = {.short_not_ok = (flags & kShortNotOk) != 0,
                  .iso_asap = (flags & kIsoAsap) != 0,
                  .zero_packet = (flags & kZeroPacket) != 0};
  record.interval = static_cast<std::uint32_t>(in_order(header.interval));
  if (record.type == TransferType::Isochronous) {
    record.start_frame = in_order(header.start_frame);
    const auto counts = read_as<IsoCounts>(Bytes(header.setup)).value();
    record.error_count = static_cast<std::uint32_t>(in_order(counts.error_count));
    const auto count = std::min<std::size_t>(in_order(header.descriptor_count),
                                             rest.size() / sizeof(IsoDescriptor));
    record.iso_packets =
        IsoPackets(rest.first(count * sizeof(IsoDescriptor)),
                   big_endian ? IsoPackets::Layout::UsbmonBig : IsoPackets::Layout::UsbmonLittle);
    rest = rest.subspan(count * sizeof(IsoDescriptor));
  }
  if (header.data_flag == 0) record.data = rest;
  return record;
}

}  // namespace periprox::wire::usbmon

#include "periprox/wire/usbpcap.hpp"

#include <algorithm>
#include <array>

#include "periprox/base/endian.hpp"

namespace periprox::wire::usbpcap {
namespace {

using usb::Status;
using usb::TransferType;

struct Header {
  le16 header_length{};
  le64 irp_id{};
  le32 status{};
  le16 function{};
  std::uint8_t info = 0;  // Bit 0: from the device towards the program, that is, a completion.
  le16 bus{};
  le16 device{};
  std::uint8_t endpoint = 0;
  std::uint8_t transfer = 0;
  le32 data_length{};
};
static_assert(sizeof(Header) == 27);

struct IsoHeader {
  le32 start_frame{};
  le32 packet_count{};
  le32 error_count{};
};

constexpr std::array<TransferType, 4> kTypes{TransferType::Isochronous, TransferType::Interrupt,
                                             TransferType::Control, TransferType::Bulk};
enum class Stage : std::uint8_t { Setup = 0, Data = 1, Status = 2, Complete = 3 };

/// What a submission asks for: of control transfers wLength, else the bytes of the record. The
/// requested length of IN transfers is not in the file.
std::uint32_t submitted_length(const UsbRecord& record, std::size_t data_length) {
  if (record.setup) return record.setup->wLength;
  return static_cast<std::uint32_t>(data_length);
}

}  // namespace

usb::Status status_from_usbd(std::uint32_t usbd_status) {
  switch (usbd_status) {
    case 0x00000000:
      return Status::Ok;
    case 0x40000000:
      return Status::InProgress;
    case 0xc0000001:
      return Status::CrcError;
    case 0xc0000004:
    case 0xc0000030:
      return Status::Stalled;
    case 0xc0000005:
      return Status::NoResponse;
    case 0xc0000008:
    case 0xc0000012:
      return Status::Babble;
    case 0xc0000009:
      return Status::ShortTransfer;
    case 0xc000000c:
      return Status::BufferOverrun;
    case 0xc000000d:
      return Status::BufferUnderrun;
    case 0xc0007000:
      return Status::DeviceGone;
    case 0xc0010000:
      return Status::Cancelled;
    case 0xc0001000:
      return Status::NoMemory;
    case 0xc0006000:
      return Status::TimedOut;
    default:
      return Status::ProtocolError;
  }
}

std::optional<UsbRecord> decode(Bytes packet) {
  const auto header = read_as<Header>(packet);
  if (!header || header->transfer >= kTypes.size()) return std::nullopt;
  const std::size_t header_length = header->header_length;
  if (header_length < sizeof(Header) || header_length > packet.size()) return std::nullopt;
  ByteReader extra(packet.subspan(sizeof(Header), header_length - sizeof(Header)));
  const bool completed = (header->info & 1) != 0;
  UsbRecord record{.id = header->irp_id,
                   .event = completed ? UsbRecord::Event::Complete : UsbRecord::Event::Submit,
                   .type = kTypes[header->transfer],
                   .endpoint = usb::EndpointAddress(header->endpoint),
                   .bus = header->bus,
                   .device = header->device,
                   .status = completed ? status_from_usbd(header->status) : Status::InProgress};
  const std::size_t left = packet.size() - header_length;
  auto data = packet.subspan(header_length, std::min<std::size_t>(left, header->data_length));

  if (record.type == TransferType::Control) {
    const auto stage = extra.take<std::uint8_t>();
    if (!stage) return std::nullopt;
    // The old form tells of data and status stages one by one; the middle one says nothing new.
    if (!completed && static_cast<Stage>(*stage) != Stage::Setup) return std::nullopt;
    if (!completed) {
      record.setup = read_as<usb::SetupPacket>(data);
      if (!record.setup) return std::nullopt;
      data = data.subspan(sizeof(usb::SetupPacket));
      record.endpoint =
          usb::EndpointAddress(record.endpoint.number(),
                               record.setup->is_in() ? usb::Direction::In : usb::Direction::Out);
    }
  } else if (record.type == TransferType::Isochronous) {
    const auto iso = extra.take<IsoHeader>();
    if (!iso) return std::nullopt;
    record.start_frame = static_cast<std::int32_t>(iso->start_frame);
    record.error_count = iso->error_count;
    constexpr std::size_t kEntry = 12;
    const auto count = std::min<std::size_t>(iso->packet_count, extra.left() / kEntry);
    record.iso_packets =
        IsoPackets(extra.take_bytes(count * kEntry).value_or(Bytes{}), IsoPackets::Layout::UsbPcap);
  }
  record.data = data;
  record.length =
      completed ? static_cast<std::uint32_t>(data.size()) : submitted_length(record, data.size());
  return record;
}

}  // namespace periprox::wire::usbpcap

// USB 2.0 table 9-4 and 11-16; HID 1.11 7.2; CDC PSTN 1.2 table 13; Mass Storage Bulk-Only 1.0.
#include "periprox/usb/request_text.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

struct Row {
  std::uint8_t code;
  std::string_view name;
};

template <std::size_t N>
std::string_view name_in(const std::array<Row, N>& rows, unsigned code) {
  const auto found = std::ranges::find(rows, code, &Row::code);
  return found == rows.end() ? std::string_view{} : found->name;
}

constexpr std::array kStandard{
    Row{0, "GET_STATUS"},        Row{1, "CLEAR_FEATURE"},     Row{3, "SET_FEATURE"},
    Row{5, "SET_ADDRESS"},       Row{6, "GET_DESCRIPTOR"},    Row{7, "SET_DESCRIPTOR"},
    Row{8, "GET_CONFIGURATION"}, Row{9, "SET_CONFIGURATION"}, Row{10, "GET_INTERFACE"},
    Row{11, "SET_INTERFACE"},    Row{12, "SYNCH_FRAME"},      Row{48, "SET_SEL"},
    Row{49, "SET_ISOCH_DELAY"},
};
constexpr std::array kHid{
    Row{1, "GET_REPORT"}, Row{2, "GET_IDLE"},  Row{3, "GET_PROTOCOL"},
    Row{9, "SET_REPORT"}, Row{10, "SET_IDLE"}, Row{11, "SET_PROTOCOL"},
};
constexpr std::array kCommunications{
    Row{0x00, "SEND_ENCAPSULATED_COMMAND"},
    Row{0x01, "GET_ENCAPSULATED_RESPONSE"},
    Row{0x20, "SET_LINE_CODING"},
    Row{0x21, "GET_LINE_CODING"},
    Row{0x22, "SET_CONTROL_LINE_STATE"},
    Row{0x23, "SEND_BREAK"},
    Row{0x43, "SET_ETHERNET_PACKET_FILTER"},
};
constexpr std::array kStorage{Row{0xfe, "GET_MAX_LUN"}, Row{0xff, "BULK_ONLY_RESET"}};
constexpr std::array kHub{
    Row{0, "GET_STATUS"},     Row{1, "CLEAR_FEATURE"},   Row{3, "SET_FEATURE"},
    Row{6, "GET_DESCRIPTOR"}, Row{8, "CLEAR_TT_BUFFER"},
};
constexpr std::array kAudioVideo{
    Row{0x01, "SET_CUR"}, Row{0x81, "GET_CUR"}, Row{0x82, "GET_MIN"},  Row{0x83, "GET_MAX"},
    Row{0x84, "GET_RES"}, Row{0x85, "GET_LEN"}, Row{0x86, "GET_INFO"}, Row{0x87, "GET_DEF"},
};
constexpr std::array kSmartCard{Row{1, "ABORT"}, Row{2, "GET_CLOCK_FREQUENCIES"},
                                Row{3, "GET_DATA_RATES"}};
constexpr std::array kPrinter{Row{0, "GET_DEVICE_ID"}, Row{1, "GET_PORT_STATUS"},
                              Row{2, "SOFT_RESET"}};
constexpr std::array kDfu{
    Row{0, "DFU_DETACH"},    Row{1, "DFU_DNLOAD"},   Row{2, "DFU_UPLOAD"}, Row{3, "DFU_GETSTATUS"},
    Row{4, "DFU_CLRSTATUS"}, Row{5, "DFU_GETSTATE"}, Row{6, "DFU_ABORT"},
};

constexpr std::array kDescriptors{
    Row{1, "device"},        Row{2, "configuration"}, Row{3, "string"},
    Row{4, "interface"},     Row{5, "endpoint"},      Row{6, "device qualifier"},
    Row{7, "other speed"},   Row{0x0f, "BOS"},        Row{0x21, "HID"},
    Row{0x22, "HID report"}, Row{0x29, "hub"},        Row{0x2a, "SuperSpeed hub"},
    Row{0x0a, "debug"},
};
constexpr std::array kReportTypes{Row{1, "input"}, Row{2, "output"}, Row{3, "feature"}};
constexpr std::array kPortFeatures{
    Row{0, "PORT_CONNECTION"}, Row{1, "PORT_ENABLE"},   Row{2, "PORT_SUSPEND"},
    Row{4, "PORT_RESET"},      Row{8, "PORT_POWER"},    Row{16, "C_PORT_CONNECTION"},
    Row{17, "C_PORT_ENABLE"},  Row{20, "C_PORT_RESET"},
};

constexpr std::array kScsi{
    Row{0x00, "TEST UNIT READY"},
    Row{0x03, "REQUEST SENSE"},
    Row{0x04, "FORMAT UNIT"},
    Row{0x08, "READ(6)"},
    Row{0x0a, "WRITE(6)"},
    Row{0x12, "INQUIRY"},
    Row{0x15, "MODE SELECT(6)"},
    Row{0x1a, "MODE SENSE(6)"},
    Row{0x1b, "START STOP UNIT"},
    Row{0x1e, "PREVENT ALLOW MEDIUM REMOVAL"},
    Row{0x23, "READ FORMAT CAPACITIES"},
    Row{0x25, "READ CAPACITY(10)"},
    Row{0x28, "READ(10)"},
    Row{0x2a, "WRITE(10)"},
    Row{0x2f, "VERIFY(10)"},
    Row{0x35, "SYNCHRONIZE CACHE(10)"},
    Row{0x42, "UNMAP"},
    Row{0x43, "READ TOC"},
    Row{0x46, "GET CONFIGURATION"},
    Row{0x4a, "GET EVENT STATUS"},
    Row{0x55, "MODE SELECT(10)"},
    Row{0x5a, "MODE SENSE(10)"},
    Row{0x85, "ATA PASS-THROUGH(16)"},
    Row{0x88, "READ(16)"},
    Row{0x8a, "WRITE(16)"},
    Row{0x91, "SYNCHRONIZE CACHE(16)"},
    Row{0x9e, "SERVICE ACTION IN(16)"},
    Row{0xa0, "REPORT LUNS"},
    Row{0xa1, "ATA PASS-THROUGH(12)"},
    Row{0xa8, "READ(12)"},
    Row{0xaa, "WRITE(12)"},
};

constexpr std::array<std::string_view, 7> kLineBits{"DCD",     "DSR",    "break",  "ring",
                                                    "framing", "parity", "overrun"};

std::string numbered(std::string_view name, unsigned fallback) {
  return name.empty() ? hex_text(fallback) : std::string(name);
}

std::string standard_text(const SetupPacket& setup) {
  const auto name = name_in(kStandard, setup.bRequest);
  if (name.empty()) return "standard request " + hex_text(setup.bRequest);
  std::string text(name);
  switch (static_cast<StandardRequest>(setup.bRequest)) {
    case StandardRequest::GetDescriptor:
    case StandardRequest::SetDescriptor: {
      const unsigned type = setup.wValue >> 8;
      text += " " + numbered(name_in(kDescriptors, type), type);
      const bool has_index = type == 2 || type == 3 || type == 7 || (setup.wValue & 0xff) != 0;
      if (has_index) text += " " + std::to_string(setup.wValue & 0xff);
      if (setup.recipient() == Recipient::Interface)
        text += " of interface " + std::to_string(setup.wIndex);
      return text;
    }
    case StandardRequest::SetAddress:
    case StandardRequest::SetConfiguration:
      return text + " " + std::to_string(setup.wValue);
    case StandardRequest::SetInterface:
      return text + " " + std::to_string(setup.wIndex) + ":" + std::to_string(setup.wValue);
    case StandardRequest::GetInterface:
      return text + " " + std::to_string(setup.wIndex);
    case StandardRequest::ClearFeature:
    case StandardRequest::SetFeature:
      if (setup.recipient() == Recipient::Endpoint && setup.wValue == kFeatureEndpointHalt)
        return text + " ENDPOINT_HALT " + hex_text(setup.wIndex);
      return text + " " + std::to_string(setup.wValue);
    default:
      return text;
  }
}

/// What a class calls its requests; `prefix` is how people call the class.
struct ClassWords {
  std::string_view prefix;
  std::string_view name;
};

std::optional<ClassWords> class_words(const SetupPacket& setup, ClassCode context) {
  const auto request = setup.bRequest;
  switch (context.code) {
    case 0x01:
      return ClassWords{"audio", name_in(kAudioVideo, request)};
    case 0x02:
    case 0x0a:
      return ClassWords{"CDC", name_in(kCommunications, request)};
    case 0x03:
      return ClassWords{"HID", name_in(kHid, request)};
    case 0x07:
      return ClassWords{"printer", name_in(kPrinter, request)};
    case 0x08:
      return ClassWords{"storage", name_in(kStorage, request)};
    case 0x09:
      return ClassWords{"hub", name_in(kHub, request)};
    case 0x0b:
      return ClassWords{"CCID", name_in(kSmartCard, request)};
    case 0x0e:
      return ClassWords{"video", name_in(kAudioVideo, request)};
    case 0xfe:
      if (context.subclass == 1) return ClassWords{"", name_in(kDfu, request)};
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::string fields_text(const SetupPacket& setup) {
  return hex_text(setup.bRequest) + " wValue " + hex_text(setup.wValue, 4) + " wIndex " +
         hex_text(setup.wIndex, 4);
}

std::string class_text(const SetupPacket& setup, ClassCode context) {
  if (setup.is_port_reset() && context.code != 0x09) return "port reset";
  const auto words = class_words(setup, context);
  if (!words || words->name.empty()) return "class request " + fields_text(setup);
  std::string text(words->prefix);
  text += (text.empty() ? "" : " ") + std::string(words->name);
  if (context.code == 0x03 && (setup.bRequest == 1 || setup.bRequest == 9)) {
    const unsigned type = setup.wValue >> 8;
    text += " " + numbered(name_in(kReportTypes, type), type);
    if ((setup.wValue & 0xff) != 0) text += " " + std::to_string(setup.wValue & 0xff);
  } else if (context.code == 0x09 && setup.recipient() == Recipient::Other) {
    text += " port " + std::to_string(setup.wIndex & 0xff);
    if (setup.bRequest != 0)
      text += " " + numbered(name_in(kPortFeatures, setup.wValue), setup.wValue);
  } else if (context.code == 0x02 && setup.bRequest == 0x22) {
    text += (setup.wValue & 1) != 0 ? " DTR" : " no DTR";
    text += (setup.wValue & 2) != 0 ? " RTS" : " no RTS";
  }
  return text;
}

std::uint64_t big_endian(Bytes bytes) {
  std::uint64_t value = 0;
  for (const auto byte : bytes) value = value << 8 | std::to_integer<std::uint64_t>(byte);
  return value;
}

struct CommandBlockWrapper {
  le32 signature{};
  le32 tag{};
  le32 length{};
  std::uint8_t flags = 0;
  std::uint8_t lun = 0;
  std::uint8_t command_length = 0;
};
static_assert(sizeof(CommandBlockWrapper) == 15);

struct CommandStatusWrapper {
  le32 signature{};
  le32 tag{};
  le32 residue{};
  std::uint8_t status = 0;
};

constexpr std::uint32_t kCommandSignature = 0x43425355;
constexpr std::uint32_t kStatusSignature = 0x53425355;
constexpr std::size_t kCommandWrapperSize = 31;

}  // namespace

std::string request_text(const SetupPacket& setup, ClassCode context) {
  switch (setup.type()) {
    case RequestType::Standard:
      return standard_text(setup);
    case RequestType::Class:
      return class_text(setup, context);
    case RequestType::Vendor:
      return "vendor request " + fields_text(setup);
    case RequestType::Reserved:
      break;
  }
  return "request " + fields_text(setup);
}

std::string request_data_text(const SetupPacket& setup, ClassCode context, Bytes data) {
  const bool is_line_coding = setup.type() == RequestType::Class && context.code == 0x02 &&
                              (setup.bRequest == 0x20 || setup.bRequest == 0x21);
  if (is_line_coding && data.size() >= 7) {
    constexpr std::string_view kParity = "NOEMS";
    constexpr std::array<std::string_view, 3> kStops{"1", "1.5", "2"};
    const auto stop = std::to_integer<std::size_t>(data[4]);
    const auto parity = std::to_integer<std::size_t>(data[5]);
    return std::to_string(read_as<le32>(data).value()) + " baud, " +
           std::to_string(std::to_integer<int>(data[6])) +
           (parity < kParity.size() ? kParity[parity] : '?') +
           std::string(stop < kStops.size() ? kStops[stop] : "?");
  }
  return {};
}

std::string scsi_command_text(Bytes command) {
  if (command.empty()) return {};
  const auto code = std::to_integer<unsigned>(command[0]);
  const auto name = name_in(kScsi, code);
  if (name.empty()) return "SCSI command " + hex_text(code);
  std::string text(name);
  const auto place = [&](std::uint64_t address, std::uint64_t blocks) {
    text += " LBA " + std::to_string(address) + ", " + std::to_string(blocks) +
            (blocks == 1 ? " block" : " blocks");
  };
  switch (code) {
    case 0x28:
    case 0x2a:
    case 0x2f:
      if (command.size() >= 10)
        place(big_endian(command.subspan(2, 4)), big_endian(command.subspan(7, 2)));
      break;
    case 0xa8:
    case 0xaa:
      if (command.size() >= 12)
        place(big_endian(command.subspan(2, 4)), big_endian(command.subspan(6, 4)));
      break;
    case 0x88:
    case 0x8a:
      if (command.size() >= 16)
        place(big_endian(command.subspan(2, 8)), big_endian(command.subspan(10, 4)));
      break;
    default:
      break;
  }
  return text;
}

std::string storage_text(Bytes bytes) {
  if (const auto command = read_as<CommandBlockWrapper>(bytes);
      command && command->signature == kCommandSignature && bytes.size() == kCommandWrapperSize) {
    const auto length = std::min<std::size_t>(command->command_length & 0x1f, 16);
    return scsi_command_text(bytes.subspan(sizeof(CommandBlockWrapper), length)) + " (tag " +
           std::to_string(command->tag) + ")";
  }
  if (const auto status = read_as<CommandStatusWrapper>(bytes);
      status && status->signature == kStatusSignature && bytes.size() == sizeof(*status)) {
    constexpr std::array<std::string_view, 3> kStatus{"passed", "failed", "phase error"};
    std::string text(status->status < kStatus.size() ? kStatus[status->status] : "unknown status");
    text += " (tag " + std::to_string(status->tag) + ")";
    if (status->residue != 0) text += ", " + std::to_string(status->residue) + " bytes less";
    return text;
  }
  return {};
}

std::string communications_notification_text(Bytes bytes) {
  const auto head = read_as<SetupPacket>(bytes);
  if (!head || head->bmRequestType != 0xa1) return {};
  if (head->bRequest == 0x00)
    return head->wValue != 0 ? "NETWORK_CONNECTION" : "NETWORK_DISCONNECTION";
  if (head->bRequest != 0x20 || bytes.size() < sizeof(SetupPacket) + 2) return {};
  const unsigned state = read_as<le16>(bytes.subspan(sizeof(SetupPacket))).value();
  std::string text = "SERIAL_STATE";
  for (std::size_t bit = 0; bit < kLineBits.size(); ++bit) {
    if ((state >> bit & 1) != 0) text += " " + std::string(kLineBits[bit]);
  }
  return text;
}

}  // namespace periprox::usb

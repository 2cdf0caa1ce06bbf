#include "periprox/wire/usbip.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace periprox::wire::usbip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<std::byte>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

template <typename T>
std::vector<std::byte> encoded(const T& value) {
  const auto bytes = bytes_of(value);
  return {bytes.begin(), bytes.end()};
}

template <typename T>
T decoded(std::string_view hex) {
  return read_as<T>(from_hex(hex)).value();
}

// ---- Management phase
// ---------------------------------------------------------------------------------

TEST(OpHeader, OfDevlistRequest) {
  const OpHeader header{.code = static_cast<std::uint16_t>(OpCode::DevlistRequest)};
  EXPECT_EQ(encoded(header), from_hex("0111 8005 00000000"));
}

TEST(OpHeader, OfRefusal) {
  const auto header = decoded<OpHeader>("0111 0003 00000002");
  EXPECT_EQ(header.version, kVersion);
  EXPECT_EQ(header.code, static_cast<std::uint16_t>(OpCode::ImportReply));
  EXPECT_EQ(header.status, static_cast<std::uint32_t>(OpStatus::DeviceBusy));
}

constexpr auto kImportRequestHex =
    "0111 8003 00000000"
    "312d312e 32000000 00000000 00000000 00000000 00000000 00000000 00000000";

TEST(ImportRequest, Encodes) {
  EXPECT_EQ(encoded(ImportRequest{.busid = make_name<kBusIdSize>("1-1.2")}),
            from_hex(kImportRequestHex));
}

TEST(ImportRequest, Decodes) {
  const auto request = decoded<ImportRequest>(kImportRequestHex);
  EXPECT_EQ(request.header.code, static_cast<std::uint16_t>(OpCode::ImportRequest));
  EXPECT_THAT(name_in(request.busid), Optional(std::string_view("1-1.2")));
}

TEST(DevlistReplyHead, EncodesItsCount) {
  EXPECT_EQ(encoded(DevlistReplyHead{.device_count = std::uint32_t{2}}),
            from_hex("0111 0005 00000000 00000002"));
}

TEST(InterfaceRecord, EndsWithAPaddingByte) {
  EXPECT_EQ(encoded(InterfaceRecord{3, 1, 2}), from_hex("03 01 02 00"));
}

TEST(DeviceRecord, HasEachFieldAtItsOffset) {
  const DeviceRecord record{.path = make_name<256>("/p"),
                            .busid = make_name<kBusIdSize>("3-2"),
                            .busnum = std::uint32_t{3},
                            .devnum = std::uint32_t{0x12},
                            .speed = std::uint32_t{2},
                            .idVendor = std::uint16_t{0x08f7},
                            .idProduct = std::uint16_t{0x0002},
                            .bcdDevice = std::uint16_t{0x0100},
                            .bDeviceClass = 0xe0,
                            .bDeviceSubClass = 0x01,
                            .bDeviceProtocol = 0x03,
                            .bConfigurationValue = 4,
                            .bNumConfigurations = 5,
                            .bNumInterfaces = 6};
  const auto bytes = encoded(record);
  ASSERT_EQ(bytes.size(), 312U);
  EXPECT_EQ(std::vector(bytes.begin(), bytes.begin() + 4), from_hex("2f700000"));
  EXPECT_EQ(std::vector(bytes.begin() + 256, bytes.begin() + 260), from_hex("332d3200"));
  EXPECT_EQ(std::vector(bytes.begin() + 288, bytes.end()),
            from_hex("00000003 00000012 00000002 08f7 0002 0100 e0 01 03 04 05 06"));
}

TEST(ImportReply, HasItsDeviceClassAtOffset0x13a) {
  // usbip_protocol.rst is one byte off here.
  const auto bytes = encoded(ImportReply{.device = {.bDeviceClass = 0xe0}});
  ASSERT_EQ(bytes.size(), 320U);
  EXPECT_EQ(bytes[0x13a], std::byte{0xe0});
  EXPECT_EQ(std::vector(bytes.begin(), bytes.begin() + 8), from_hex("0111 0003 00000000"));
}

usb::DeviceModel model_with_interfaces(std::size_t count) {
  usb::Configuration configuration;
  configuration.descriptor.bConfigurationValue = 7;
  for (std::size_t i = 0; i < count; ++i) {
    configuration.interfaces.push_back({static_cast<std::uint8_t>(i), {usb::AlternateSetting{}}});
  }
  usb::DeviceDescriptor descriptor;
  descriptor.idVendor = std::uint16_t{0x08f7};
  descriptor.idProduct = std::uint16_t{0x0002};
  descriptor.bNumConfigurations = 1;
  return {usb::Speed::SuperPlus, descriptor, {configuration}};
}

TEST(EncodeDevice, TellsIdentityAndConfiguration) {
  auto model = model_with_interfaces(2);
  model.set_configuration(7);
  const auto record =
      encode_device({.path = "/sys/x", .busid = "1-1.2", .busnum = 1, .devnum = 9}, model);
  EXPECT_THAT(name_in(record.path), Optional(std::string_view("/sys/x")));
  EXPECT_THAT(name_in(record.busid), Optional(std::string_view("1-1.2")));
  EXPECT_EQ(record.busnum, 1U);
  EXPECT_EQ(record.devnum, 9U);
  EXPECT_EQ(record.speed, 6U);
  EXPECT_EQ(record.idVendor, 0x08f7);
  EXPECT_EQ(record.bConfigurationValue, 7);
  EXPECT_EQ(record.bNumConfigurations, 1);
  EXPECT_EQ(record.bNumInterfaces, 2);
}

TEST(EncodeDevice, CountsNoInterfacesWhenNotConfigured) {
  const auto record = encode_device({.busid = "1-1"}, model_with_interfaces(2));
  EXPECT_EQ(record.bConfigurationValue, 0);
  EXPECT_EQ(record.bNumInterfaces, 0);
}

TEST(DeviceAddress, PutsBusAndDeviceNumberIntoDevid) {
  EXPECT_EQ((DeviceAddress{.busnum = 3, .devnum = 0x12}.devid()), 0x00030012U);
}

TEST(NameField, IsEmptyWithoutNul) {
  NameField<4> field{'a', 'b', 'c', 'd'};
  EXPECT_EQ(name_in(field), std::nullopt);
}

TEST(NameField, EndsAtTheFirstNulWhateverFollows) {
  NameField<8> field{'a', 'b', 0, 'x', 'y', 'z', 'z', 'z'};
  EXPECT_THAT(name_in(field), Optional(std::string_view("ab")));
}

TEST(NameField, HoldsOneByteLessThanItsSize) {
  const std::string longest(31, 'b');
  EXPECT_THAT(name_in(make_name<32>(longest)), Optional(std::string_view(longest)));
}

TEST(NameField, CutsWhatIsTooLong) {
  EXPECT_THAT(name_in(make_name<4>("abcdef")), Optional(std::string_view("abc")));
}

TEST(OpStatusText, NamesEveryStatus) {
  EXPECT_EQ(op_status_text(0), "ok");
  EXPECT_EQ(op_status_text(1), "the device is not available");
  EXPECT_EQ(op_status_text(2), "the device is in use by another client");
  EXPECT_EQ(op_status_text(3), "the device is in an error state");
  EXPECT_EQ(op_status_text(4), "there is no such device");
  EXPECT_EQ(op_status_text(5), "the server met an unexpected response");
}

TEST(OpStatusText, TellsAnUnknownNumber) { EXPECT_THAT(op_status_text(99), HasSubstr("99")); }

// ---- URB phase: the worked example of Documentation/usb/usbip_protocol.rst
// -----------------------------

constexpr auto kCmdIntrInHex =
    "00000001 00000d05 0001000f 00000001 00000001"
    "00000200 00000040 ffffffff 00000000 00000004 00000000 00000000";
constexpr auto kCmdIntrOutHex =
    "00000001 00000d06 0001000f 00000000 00000001"
    "00000000 00000040 ffffffff 00000000 00000004 00000000 00000000";
constexpr auto kRetIntrOutHex =
    "00000003 00000d06 00000000 00000000 00000000"
    "00000000 00000040 ffffffff 00000000 00000000 00000000 00000000";
constexpr auto kRetIntrInHex =
    "00000003 00000d05 00000000 00000000 00000000"
    "00000000 00000040 ffffffff 00000000 00000000 00000000 00000000";

TEST(CmdSubmit, EncodesTheInterruptInOfTheKernelsExample) {
  const CmdSubmit header{.basic = {.command = std::uint32_t{1},
                                   .seqnum = std::uint32_t{0xd05},
                                   .devid = std::uint32_t{0x1000f},
                                   .direction = std::uint32_t{1},
                                   .ep = std::uint32_t{1}},
                         .transfer_flags = kFlagDirIn,
                         .transfer_buffer_length = 64,
                         .start_frame = -1,
                         .number_of_packets = 0,
                         .interval = 4};
  EXPECT_EQ(encoded(header), from_hex(kCmdIntrInHex));
}

TEST(CmdSubmit, DecodesTheInterruptOutOfTheKernelsExample) {
  const auto header = decoded<CmdSubmit>(kCmdIntrOutHex);
  EXPECT_EQ(decode_command(header.basic.command), Command::CmdSubmit);
  EXPECT_EQ(header.basic.seqnum, 0xd06U);
  EXPECT_EQ(header.basic.devid, 0x1000fU);
  EXPECT_EQ(header.basic.direction, 0U);
  EXPECT_EQ(header.basic.ep, 1U);
  EXPECT_EQ(header.transfer_buffer_length, 64);
  EXPECT_EQ(header.start_frame, -1);
  EXPECT_EQ(header.number_of_packets, 0);
  EXPECT_EQ(header.interval, 4);
}

TEST(RetSubmit, EncodesTheInterruptOutOfTheKernelsExample) {
  const RetSubmit header{.basic = {.command = std::uint32_t{3}, .seqnum = std::uint32_t{0xd06}},
                         .status = 0,
                         .actual_length = 64,
                         .start_frame = -1};
  EXPECT_EQ(encoded(header), from_hex(kRetIntrOutHex));
}

TEST(RetSubmit, DecodesTheInterruptInOfTheKernelsExample) {
  const auto header = decoded<RetSubmit>(kRetIntrInHex);
  EXPECT_EQ(decode_command(header.basic.command), Command::RetSubmit);
  EXPECT_EQ(header.basic.seqnum, 0xd05U);
  EXPECT_EQ(header.status, 0);
  EXPECT_EQ(header.actual_length, 64);
  EXPECT_EQ(header.start_frame, -1);
  EXPECT_EQ(header.number_of_packets, 0);
  EXPECT_EQ(header.error_count, 0);
}

TEST(CmdSubmit, KeepsTheSetupPacketLittleEndian) {
  const CmdSubmit header{.basic = {.command = std::uint32_t{1},
                                   .seqnum = std::uint32_t{1},
                                   .direction = std::uint32_t{1}},
                         .transfer_buffer_length = 0x1234,
                         .setup = usb::SetupPacket::get_descriptor(2, 0, 0x1234, 0x0409)};
  EXPECT_EQ(encoded(header),
            from_hex("00000001 00000001 00000000 00000001 00000000"
                     "00000000 00001234 00000000 00000000 00000000 80 06 0002 0904 3412"));
}

constexpr auto kCmdUnlinkHex =
    "00000002 00000d07 0001000f 00000000 00000000 00000d05"
    "000000000000000000000000 000000000000000000000000";

TEST(CmdUnlink, Encodes) {
  const CmdUnlink header{.basic = {.command = std::uint32_t{2},
                                   .seqnum = std::uint32_t{0xd07},
                                   .devid = std::uint32_t{0x1000f}},
                         .unlink_seqnum = std::uint32_t{0xd05}};
  EXPECT_EQ(encoded(header), from_hex(kCmdUnlinkHex));
}

TEST(CmdUnlink, Decodes) {
  const auto header = decoded<CmdUnlink>(kCmdUnlinkHex);
  EXPECT_EQ(decode_command(header.basic.command), Command::CmdUnlink);
  EXPECT_EQ(header.basic.seqnum, 0xd07U);
  EXPECT_EQ(header.unlink_seqnum, 0xd05U);
}

constexpr auto kRetUnlinkHex =
    "00000004 00000d07 00000000 00000000 00000000 ffffff98"
    "000000000000000000000000 000000000000000000000000";

TEST(RetUnlink, Encodes) {
  const RetUnlink header{.basic = {.command = std::uint32_t{4}, .seqnum = std::uint32_t{0xd07}},
                         .status = -104};
  EXPECT_EQ(encoded(header), from_hex(kRetUnlinkHex));
}

TEST(RetUnlink, Decodes) {
  const auto header = decoded<RetUnlink>(kRetUnlinkHex);
  EXPECT_EQ(decode_command(header.basic.command), Command::RetUnlink);
  EXPECT_EQ(decode_status(header.status), usb::Status::Cancelled);
}

TEST(DecodeCommand, KnowsNoOthersThanTheFour) {
  EXPECT_EQ(decode_command(0), std::nullopt);
  EXPECT_EQ(decode_command(5), std::nullopt);
  EXPECT_EQ(decode_command(0x80000001), std::nullopt);
}

// ---- Values
// ---------------------------------------------------------------------------------------------

TEST(TransferFlags, EncodesThoseThatTravel) {
  EXPECT_EQ(encode_flags({}), 0U);
  EXPECT_EQ(encode_flags({.short_not_ok = true}), 0x1U);
  EXPECT_EQ(encode_flags({.iso_asap = true}), 0x2U);
  EXPECT_EQ(encode_flags({.zero_packet = true}), 0x40U);
}

TEST(TransferFlags, DecodesThoseThatTravel) {
  EXPECT_EQ(decode_flags(0x43),
            (usb::TransferFlags{.short_not_ok = true, .iso_asap = true, .zero_packet = true}));
}

TEST(TransferFlags, IgnoresWhatIsLocalToAHost) {
  // NO_TRANSFER_DMA_MAP, NO_INTERRUPT, FREE_BUFFER, DIR_IN, the DMA and scatter-gather bits.
  EXPECT_EQ(decode_flags(0x00ff0384), usb::TransferFlags{});
}

TEST(WireStatus, IsANegativeErrno) {
  EXPECT_EQ(encode_status(usb::Status::Ok), 0);
  EXPECT_EQ(encode_status(usb::Status::Stalled), -32);
  EXPECT_EQ(encode_status(usb::Status::Cancelled), -104);
  EXPECT_EQ(encode_status(usb::Status::BadLength), -53);
}

TEST(WireStatus, DecodesWhatItEncodes) {
  EXPECT_EQ(decode_status(0), usb::Status::Ok);
  EXPECT_EQ(decode_status(-32), usb::Status::Stalled);
  EXPECT_EQ(decode_status(-75), usb::Status::Babble);
  EXPECT_EQ(decode_status(-121), usb::Status::ShortTransfer);
  EXPECT_EQ(decode_status(-2), usb::Status::Killed);
  EXPECT_EQ(decode_status(-108), usb::Status::Shutdown);
}

TEST(WireStatus, TakesPositiveNumbersForProtocolErrors) {
  EXPECT_EQ(decode_status(32), usb::Status::ProtocolError);
  EXPECT_EQ(decode_status(0x7fffffff), usb::Status::ProtocolError);
}

TEST(WireStatus, TakesUnknownNumbersForProtocolErrors) {
  EXPECT_EQ(decode_status(-4096), usb::Status::ProtocolError);
  EXPECT_EQ(decode_status(INT32_MIN), usb::Status::ProtocolError);
}

TEST(WireStatus, TakesInProgressForAProtocolError) {
  EXPECT_EQ(decode_status(-115), usb::Status::ProtocolError);
}

TEST(IsoDescriptor, Encodes) {
  EXPECT_EQ(encoded(encode_iso({.offset = 0x100,
                                .length = 0x40,
                                .actual_length = 3,
                                .status = usb::Status::IsoPartial})),
            from_hex("00000100 00000040 00000003 ffffffee"));
}

TEST(IsoDescriptor, Decodes) {
  const auto packet = decode_iso(decoded<IsoDescriptor>("00000100 00000040 00000003 ffffffb5"));
  EXPECT_EQ(
      packet,
      (usb::IsoPacket{
          .offset = 0x100, .length = 0x40, .actual_length = 3, .status = usb::Status::Babble}));
}

// ---- Isochronous data: sparse and packed
// -----------------------------------------------------------------

std::vector<std::byte> text_bytes(std::string_view text) {
  const auto bytes = bytes_of_text(text);
  return {bytes.begin(), bytes.end()};
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using Packets = std::vector<usb::IsoPacket>;

TEST(PackIso, LeavesDensePacketsWhereTheyAre) {
  auto data = text_bytes("aaaabbbbcccc");
  EXPECT_EQ(pack_iso(data, Packets{{0, 4, 4}, {4, 4, 4}, {8, 4, 4}}), 12U);
  EXPECT_EQ(text_of(data), "aaaabbbbcccc");
}

TEST(PackIso, MovesShortPacketsTogether) {
  auto data = text_bytes("aa..b...cccc");
  EXPECT_EQ(pack_iso(data, Packets{{0, 4, 2}, {4, 4, 1}, {8, 4, 4}}), 7U);
  EXPECT_EQ(text_of(data).substr(0, 7), "aabcccc");
}

TEST(PackIso, MovesSparsePacketsTogether) {
  auto data = text_bytes("..aa...bb.c");
  EXPECT_EQ(pack_iso(data, Packets{{2, 2, 2}, {7, 2, 2}, {10, 1, 1}}), 5U);
  EXPECT_EQ(text_of(data).substr(0, 5), "aabbc");
}

TEST(PackIso, SkipsEmptyPackets) {
  auto data = text_bytes("....bbbb");
  EXPECT_EQ(pack_iso(data, Packets{{0, 4, 0}, {4, 4, 4}, {8, 0, 0}}), 4U);
  EXPECT_EQ(text_of(data).substr(0, 4), "bbbb");
}

TEST(PackIso, TakesNoPacketsAtAll) { EXPECT_EQ(pack_iso({}, Packets{}), 0U); }

TEST(UnpackIso, SpreadsShortPackets) {
  auto data = text_bytes("aabcccc.....");
  unpack_iso(data, Packets{{0, 4, 2}, {4, 4, 1}, {8, 4, 4}});
  EXPECT_EQ(text_of(data).substr(0, 2), "aa");
  EXPECT_EQ(text_of(data).substr(4, 1), "b");
  EXPECT_EQ(text_of(data).substr(8, 4), "cccc");
}

TEST(UnpackIso, SpreadsSparsePackets) {
  auto data = text_bytes("aabbc......");
  unpack_iso(data, Packets{{2, 2, 2}, {7, 2, 2}, {10, 1, 1}});
  EXPECT_EQ(text_of(data).substr(2, 2), "aa");
  EXPECT_EQ(text_of(data).substr(7, 2), "bb");
  EXPECT_EQ(text_of(data).substr(10, 1), "c");
}

TEST(UnpackIso, IsTheInverseOfPackIso) {
  const Packets packets{{1, 5, 3}, {8, 4, 0}, {12, 4, 4}, {20, 6, 5}};
  const auto original = text_bytes("0123456789abcdefghijklmnopq");
  auto data = original;
  pack_iso(data, packets);
  unpack_iso(data, packets);
  EXPECT_EQ(text_of(data).substr(1, 3), text_of(original).substr(1, 3));
  EXPECT_EQ(text_of(data).substr(12, 4), text_of(original).substr(12, 4));
  EXPECT_EQ(text_of(data).substr(20, 5), text_of(original).substr(20, 5));
}

TEST(CheckIsoLayout, AcceptsDenseSparseAndEmpty) {
  EXPECT_EQ(check_iso_layout(Packets{{0, 4}, {4, 4}}, 8), std::nullopt);
  EXPECT_EQ(check_iso_layout(Packets{{3, 4}, {9, 0}, {9, 1}}, 10), std::nullopt);
  EXPECT_EQ(check_iso_layout(Packets{}, 0), std::nullopt);
}

TEST(CheckIsoLayout, RefusesAPacketPastTheEnd) {
  EXPECT_THAT(check_iso_layout(Packets{{0, 4}, {4, 5}}, 8),
              Optional(HasSubstr("packet 1 ends at 9")));
}

TEST(CheckIsoLayout, RefusesOverlap) {
  EXPECT_THAT(check_iso_layout(Packets{{0, 4}, {3, 4}}, 8),
              Optional(HasSubstr("packet 1 at offset 3 overlaps")));
}

TEST(CheckIsoLayout, RefusesDescendingOffsets) {
  EXPECT_THAT(check_iso_layout(Packets{{4, 4}, {0, 4}}, 8), Optional(HasSubstr("packet 1")));
}

TEST(CheckIsoLayout, IsNotFooledByASumThatWraps) {
  EXPECT_THAT(check_iso_layout(Packets{{0xffffffff, 2}}, 8),
              Optional(HasSubstr("packet 0 ends at 4294967297")));
}

}  // namespace
}  // namespace periprox::wire::usbip

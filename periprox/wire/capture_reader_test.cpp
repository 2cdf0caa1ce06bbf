// Byte vectors of every form that a capture comes in.
#include "periprox/wire/capture_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "periprox/usb/hex_text.hpp"
#include "periprox/wire/usbmon.hpp"

namespace periprox::wire {
namespace {

using pcapng::PacketBlock;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::TransferType;
using Event = UsbRecord::Event;

std::vector<std::byte> hex(std::string_view text) { return usb::parse_hex_bytes(text).value(); }

void append(std::vector<std::byte>& file, Bytes more) {
  file.insert(file.end(), more.begin(), more.end());
}

std::vector<std::byte> packet(const PacketBlock& block, Bytes data) {
  std::vector<std::byte> bytes(block.size());
  std::ranges::copy(data, block.write(bytes).data());
  return bytes;
}

/// The record of an URB as the stage writes it.
std::vector<std::byte> record(const usb::UrbData& urb, Event event,
                              const usbmon::Stamp& stamp = {.id = 7, .bus = 1, .device = 2}) {
  auto outgoing = usbmon::outgoing(urb, event, stamp);
  outgoing.header.captured_length =
      static_cast<std::uint32_t>(outgoing.size() - sizeof(usbmon::Header));
  ByteWriter writer;
  writer.put(outgoing.header);
  for (std::size_t i = 0; i < outgoing.descriptor_count; ++i)
    writer.put(usbmon::outgoing_descriptor(urb, event, i));
  writer.put_bytes(outgoing.data);
  return writer.release();
}

/// Feeds a reader `step` bytes at a time; keeps what came.
struct Reading {
  explicit Reading(Bytes file, std::size_t step = 1 << 20) {
    while (true) {
      auto packet = reader.next();
      if (!packet) {
        error = packet.error();
        return;
      }
      if (*packet) {
        times.push_back((*packet)->time);
        dropped.push_back((*packet)->dropped);
        for (const auto comment : (*packet)->comments) comments.emplace_back(comment);
        if ((*packet)->usb)
          last_data.assign((*packet)->usb->data.begin(), (*packet)->usb->data.end());
        records.push_back((*packet)->usb);
        continue;
      }
      if (file.empty()) return;
      const auto room = reader.room();
      const auto count = std::min({step, room.size(), file.size()});
      std::memcpy(room.data(), file.data(), count);
      reader.filled(count);
      file = file.subspan(count);
    }
  }
  CaptureReader reader;
  std::optional<Error> error;
  std::vector<std::uint64_t> times;
  std::vector<std::uint64_t> dropped;
  std::vector<std::string> comments;
  std::vector<std::optional<UsbRecord>> records;  // Their views are stale.
  std::vector<std::byte> last_data;
};

std::vector<std::byte> start_of_file() {
  auto file = pcapng::encode_section("test");
  append(file, pcapng::encode_interface(
                   {.name = "dev", .description = "A device", .bits_per_second = 480'000'000}));
  return file;
}

usb::UrbData get_descriptor() {
  usb::UrbData urb;
  urb.endpoint = EndpointAddress(0x80);
  urb.setup = SetupPacket::get_descriptor(1, 0, 18);
  urb.length = 18;
  return urb;
}

TEST(Pcapng, SectionIsTheDraftsBytes) {
  EXPECT_EQ(usb::hex_bytes(pcapng::encode_section("ab")),
            "0a 0d 0d 0a 28 00 00 00 4d 3c 2b 1a 01 00 00 00 ff ff ff ff ff ff ff ff "
            "04 00 02 00 61 62 00 00 00 00 00 00 28 00 00 00");
}

TEST(Pcapng, InterfaceSaysNanosecondsAndItsName) {
  EXPECT_EQ(usb::hex_bytes(pcapng::encode_interface({.name = "d"})),
            "01 00 00 00 28 00 00 00 dc 00 00 00 00 00 00 00 02 00 01 00 64 00 00 00 "
            "09 00 01 00 09 00 00 00 00 00 00 00 28 00 00 00");
}

TEST(Pcapng, PacketHasItsPaddingDropsAndComments) {
  const std::vector<std::string> comments{"hi"};
  const PacketBlock block{.interface_id = 1,
                          .time = 0x1'0000'0002,
                          .captured_length = 3,
                          .original_length = 9,
                          .dropped = 5,
                          .comments = comments};
  EXPECT_EQ(usb::hex_bytes(packet(block, hex("aa bb cc"))),
            "06 00 00 00 3c 00 00 00 01 00 00 00 01 00 00 00 02 00 00 00 03 00 00 00 "
            "09 00 00 00 aa bb cc 00 04 00 08 00 05 00 00 00 00 00 00 00 "
            "01 00 02 00 68 69 00 00 00 00 00 00 3c 00 00 00");
}

TEST(Pcapng, CutsLongNames) {
  const std::string name(5000, 'x');
  EXPECT_LT(pcapng::encode_interface({.name = name}).size(), 1100U);
}

TEST(Usbmon, SubmissionOfAControlRequestIsTheKernelsBytes) {
  const auto bytes = record(get_descriptor(), Event::Submit,
                            {.id = 0x11, .time = 3'000'004'000, .bus = 2, .device = 5});
  EXPECT_EQ(usb::hex_bytes(bytes),
            "11 00 00 00 00 00 00 00 53 02 80 05 02 00 00 3c 03 00 00 00 00 00 00 00 "
            "04 00 00 00 8d ff ff ff 12 00 00 00 00 00 00 00 80 06 00 01 00 00 12 00 "
            "00 00 00 00 00 00 00 00 00 02 00 00 00 00 00 00");
}

TEST(Usbmon, CompletionCarriesTheData) {
  PayloadPool pool;
  auto urb = get_descriptor();
  urb.payload = pool.allocate(18);
  std::fill_n(urb.payload.data(), 18, std::byte{0x42});
  urb.actual_length = 2;
  const auto bytes = record(urb, Event::Complete);
  const auto decoded = usbmon::decode(bytes, true, false);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->event, Event::Complete);
  EXPECT_EQ(decoded->status, Status::Ok);
  EXPECT_EQ(decoded->length, 2U);
  EXPECT_FALSE(decoded->setup);
  EXPECT_EQ(usb::hex_bytes(decoded->data), "42 42");
}

TEST(Usbmon, OutDataIsOnTheSubmissionOnly) {
  PayloadPool pool;
  usb::UrbData urb;
  urb.endpoint = EndpointAddress(0x02);
  urb.type = TransferType::Bulk;
  urb.flags.zero_packet = true;
  urb.length = 3;
  urb.payload = pool.allocate(3);
  std::memcpy(urb.payload.data(), "abc", 3);
  const auto submitted = record(urb, Event::Submit);
  const auto there = usbmon::decode(submitted, true, false);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->status, Status::InProgress);
  EXPECT_TRUE(there->flags.zero_packet);
  EXPECT_EQ(there->data.size(), 3U);
  urb.actual_length = 3;
  const auto completed = record(urb, Event::Complete);
  const auto back = usbmon::decode(completed, true, false);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->length, 3U);
  EXPECT_TRUE(back->data.empty());
}

TEST(Usbmon, IsochronousInIsSparse) {
  PayloadPool pool;
  usb::UrbData urb;
  urb.endpoint = EndpointAddress(0x81);
  urb.type = TransferType::Isochronous;
  urb.length = 20;
  urb.payload = pool.allocate(20);
  std::fill_n(urb.payload.data(), 20, std::byte{0x55});
  urb.iso_packets = {{.offset = 0, .length = 10, .actual_length = 4},
                     {.offset = 10, .length = 10, .actual_length = 2, .status = Status::CrcError}};
  urb.actual_length = 6;
  urb.error_count = 1;
  const auto bytes = record(urb, Event::Complete);
  const auto decoded = usbmon::decode(bytes, true, false);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->length, 12U);
  EXPECT_EQ(decoded->data.size(), 12U);
  EXPECT_EQ(decoded->error_count, 1U);
  ASSERT_EQ(decoded->iso_packets.size(), 2U);
  EXPECT_EQ(decoded->iso_packets.at(0, false), (usb::IsoPacket{.offset = 0, .actual_length = 4}));
  EXPECT_EQ(decoded->iso_packets.at(1, false),
            (usb::IsoPacket{.offset = 10, .actual_length = 2, .status = Status::CrcError}));
}

TEST(Usbmon, ReadsTheShortHeader) {
  auto bytes = record(get_descriptor(), Event::Submit);
  bytes.resize(usbmon::kShortHeaderSize);
  const auto decoded = usbmon::decode(bytes, false, false);
  ASSERT_TRUE(decoded);
  ASSERT_TRUE(decoded->setup);
  EXPECT_EQ(*decoded->setup, SetupPacket::get_descriptor(1, 0, 18));
}

TEST(Usbmon, IsNothingWhenItIsTooShortOrOfNoKnownKind) {
  auto bytes = record(get_descriptor(), Event::Submit);
  EXPECT_FALSE(usbmon::decode(Bytes(bytes).first(63), true, false));
  bytes[8] = std::byte{'X'};
  EXPECT_FALSE(usbmon::decode(bytes, true, false));
}

TEST(CaptureReader, ReadsWhatWasWrittenByteByByte) {
  auto file = start_of_file();
  const auto submitted = record(get_descriptor(), Event::Submit);
  const std::vector<std::string> comments{"first", "second"};
  append(file, packet({.time = 1'700'000'000'123'456'789,
                       .captured_length = 64,
                       .original_length = 64,
                       .dropped = 3,
                       .comments = comments},
                      submitted));
  append(file, pcapng::encode_statistics(0, 1, 10, 4));
  const Reading reading(file, 1);
  EXPECT_FALSE(reading.error);
  ASSERT_EQ(reading.records.size(), 1U);
  ASSERT_TRUE(reading.records[0]);
  EXPECT_EQ(reading.records[0]->id, 7U);
  EXPECT_EQ(reading.records[0]->setup, SetupPacket::get_descriptor(1, 0, 18));
  EXPECT_EQ(reading.times[0], 1'700'000'000'123'456'789U);
  EXPECT_EQ(reading.dropped[0], 3U);
  EXPECT_EQ(reading.comments, comments);
  EXPECT_EQ(reading.reader.dropped(), 4U);
  ASSERT_EQ(reading.reader.interfaces().size(), 1U);
  EXPECT_EQ(reading.reader.interfaces()[0].name, "dev");
  EXPECT_EQ(reading.reader.interfaces()[0].bits_per_second, 480'000'000U);
  EXPECT_TRUE(reading.reader.at_boundary());
  EXPECT_EQ(reading.reader.offset(), file.size());
}

TEST(CaptureReader, CountsInterfacesOverSections) {
  auto file = start_of_file();
  append(file, start_of_file());
  append(file, packet({.captured_length = 64, .original_length = 64},
                      record(get_descriptor(), Event::Submit)));
  Reading reading(file);
  EXPECT_FALSE(reading.error);
  EXPECT_EQ(reading.reader.interfaces().size(), 2U);
  EXPECT_EQ(reading.records.size(), 1U);
}

TEST(CaptureReader, ReadsABigEndianSectionWithMicroseconds) {
  auto file =
      hex("0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c"
          "00000001 00000014 00dc 0000 00000000 00000014"
          "00000006 00000060 00000000 00000000 000f4241 00000040 00000040"
          // usbmon, big-endian: id, 'S', interrupt, 0x81, device 3, bus 1
          "0000000000000009 53 01 81 03 0001 2d 3c"
          "0000000000000001 00000000 ffffff8d 00000008 00000000 0000000000000000"
          "00000008 00000000 00000200 00000000"
          "00000060");
  const Reading reading(file);
  ASSERT_FALSE(reading.error) << reading.error->text();
  ASSERT_EQ(reading.records.size(), 1U);
  ASSERT_TRUE(reading.records[0]);
  EXPECT_EQ(reading.times[0], 1'000'001'000U);
  EXPECT_EQ(reading.records[0]->id, 9U);
  EXPECT_EQ(reading.records[0]->bus, 1);
  EXPECT_EQ(reading.records[0]->length, 8U);
  EXPECT_EQ(reading.records[0]->interval, 8U);
  EXPECT_EQ(reading.records[0]->type, TransferType::Interrupt);
  EXPECT_EQ(reading.records[0]->status, Status::InProgress);
}

TEST(CaptureReader, ReadsClassicPcap) {
  auto file =
      hex("d4c3b2a1 02000400 00000000 00000000 00000400 dc000000"
          "05000000 07000000 40000000 40000000");
  append(file, record(get_descriptor(), Event::Submit));
  const Reading reading(file, 3);
  ASSERT_FALSE(reading.error);
  ASSERT_EQ(reading.records.size(), 1U);
  EXPECT_EQ(reading.times[0], 5'000'007'000U);
  EXPECT_TRUE(reading.records[0]->setup);
}

TEST(CaptureReader, ReadsUsbPcapOfWindows) {
  // A GET_DESCRIPTOR: setup stage, then the completion with four bytes of data.
  const auto file =
      hex("d4c3b2a1 02000400 00000000 00000000 00000400 f9000000"
          "01000000 00000000 24000000 24000000"
          "1c00 0100000000000000 00000000 0b00 00 0100 0200 80 02 08000000 00"
          "8006000100001200"
          "01000000 05000000 20000000 20000000"
          "1c00 0100000000000000 00000000 0800 01 0100 0200 80 02 04000000 03"
          "12010002");
  const Reading reading(file);
  ASSERT_FALSE(reading.error);
  ASSERT_EQ(reading.records.size(), 2U);
  ASSERT_TRUE(reading.records[0] && reading.records[1]);
  EXPECT_EQ(reading.records[0]->setup, SetupPacket::get_descriptor(1, 0, 18));
  EXPECT_EQ(reading.records[0]->length, 18U);
  EXPECT_EQ(reading.records[0]->status, Status::InProgress);
  EXPECT_EQ(reading.records[1]->event, Event::Complete);
  EXPECT_EQ(reading.records[1]->status, Status::Ok);
  EXPECT_EQ(usb::hex_bytes(reading.last_data), "12 01 00 02");
}

TEST(CaptureReader, SaysWhereItIsBroken) {
  auto file = start_of_file();
  const auto broken_at = file.size();
  append(file, hex("06000000 07000000 00000000 00000000"));
  const Reading reading(file);
  ASSERT_TRUE(reading.error);
  EXPECT_EQ(reading.error->kind, Error::Kind::Malformed);
  EXPECT_NE(reading.error->what.find("byte " + std::to_string(broken_at)), std::string::npos);
}

TEST(CaptureReader, RefusesWhatIsNoCapture) {
  EXPECT_TRUE(Reading(bytes_of_text("hello, world")).error);
}

TEST(CaptureReader, RefusesAPacketOfAnUnknownInterface) {
  auto file = start_of_file();
  append(file,
         packet({.interface_id = 1, .captured_length = 4, .original_length = 4}, hex("00000000")));
  EXPECT_TRUE(Reading(file).error);
}

TEST(CaptureReader, RefusesBlocksBeyondItsLimit) {
  auto file = start_of_file();
  append(file, hex("06000000 fcffff7f 00000000"));
  EXPECT_TRUE(Reading(file).error);
}

TEST(CaptureReader, KnowsThatAFileEndsWithinABlock) {
  auto file = start_of_file();
  file.resize(file.size() - 4);
  const Reading reading(file);
  EXPECT_FALSE(reading.error);
  EXPECT_FALSE(reading.reader.at_boundary());
}

TEST(CaptureReader, ReadsBlocksLargerThanItsBuffer) {
  auto file = start_of_file();
  const std::vector<std::byte> large(3 << 20, std::byte{1});
  append(file, packet({.captured_length = 3 << 20, .original_length = 3 << 20}, large));
  append(file, packet({.captured_length = 64, .original_length = 64},
                      record(get_descriptor(), Event::Submit)));
  const Reading reading(file, 100'000);
  EXPECT_FALSE(reading.error);
  EXPECT_EQ(reading.records.size(), 2U);
}

}  // namespace
}  // namespace periprox::wire

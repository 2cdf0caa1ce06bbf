// The thermometer as Linux' ldusb driver and the GoIO SDK see it.
#include "periprox/emulated/go_temp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/emulated/go_temp_commands.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using usb::SetupPacket;
using usb::Status;
using usb::testing::TestHost;

constexpr usb::EndpointAddress kIn(0x81);

class GoTempTest : public ::testing::Test {
 protected:
  void plug(const Settings& settings) {
    auto created = create("go_temp", settings, timers);
    ASSERT_TRUE(created) << created.error().text();
    device = std::move(*created);
    host = std::make_unique<TestHost>(*device);
  }
  /// Reads a packet as ldusb does, waiting as long as it takes.
  std::vector<std::byte> read() {
    const auto id = host->in(kIn, 8);
    for (int i = 0; i < 300 && host->times_completed(id) == 0; ++i) timers.advance(10ms);
    return host->outcome(id).data;
  }
  /// Sends a command as ldusb's write() does.
  Status command(std::initializer_list<int> bytes) {
    auto data = raw_bytes(bytes);
    data.resize(8);
    return host->outcome(host->control({0x21, 0x09, 0x0100, 0, 8}, data)).status;
  }
  /// The temperature of a packet.
  static double celsius(const std::vector<std::byte>& packet) {
    const auto raw = static_cast<std::int16_t>(std::to_integer<int>(packet.at(2)) |
                                               std::to_integer<int>(packet.at(3)) << 8);
    return raw / 128.0;
  }

  SimulatedTimers timers;
  std::unique_ptr<usb::Device> device;
  std::unique_ptr<TestHost> host;
};

TEST_F(GoTempTest, HasTheDescriptorsOfTheRealOne) {
  plug({});
  const auto device_descriptor = host->control(SetupPacket::get_descriptor(1, 0, 18));
  EXPECT_EQ(host->outcome(device_descriptor).data,
            raw_bytes({0x12, 0x01, 0x10, 0x01, 0, 0, 0, 8, 0xf7, 0x08, 0x02, 0x00, 0x53, 0x01, 1, 2,
                       0, 1}));
  const auto configuration = host->control(SetupPacket::get_descriptor(2, 0, 255));
  EXPECT_EQ(host->outcome(configuration).data,
            raw_bytes({0x09, 0x02, 0x22, 0,    1,    1,    0,    0x80, 0x32,  //
                       0x09, 0x04, 0,    0,    1,    3,    0,    0,    0,     //
                       0x09, 0x21, 0x10, 0x01, 0,    1,    0x22, 0x32, 0x00,  //
                       0x07, 0x05, 0x81, 0x03, 0x08, 0x00, 0x0a}));
  EXPECT_EQ(device->model().speed(), usb::Speed::Low);
}

TEST_F(GoTempTest, ServesItsReportDescriptorInTheLengthItAnnounces) {
  plug({});
  const auto report = host->control({0x81, 6, 0x2200, 0, 255});
  EXPECT_EQ(host->outcome(report).data.size(), 50U);
}

TEST_F(GoTempTest, NamesItself) {
  plug({});
  EXPECT_EQ(device->model().manufacturer, "Vernier Software & Technology");
  EXPECT_EQ(device->model().product, "Go! Temp ver 1.53");
}

TEST_F(GoTempTest, MeasuresWithoutBeingAsked) {
  plug({{"celsius", "21.5"}});
  EXPECT_EQ(read(), raw_bytes({1, 0, 0xc0, 0x0a, 0, 0, 0, 0}));
  EXPECT_EQ(read(), raw_bytes({1, 1, 0xc0, 0x0a, 0, 0, 0, 0}));
}

TEST_F(GoTempTest, TellsNegativeTemperatures) {
  plug({{"celsius", "-0.5"}});
  EXPECT_EQ(read(), raw_bytes({1, 0, 0xc0, 0xff, 0, 0, 0, 0}));
}

TEST_F(GoTempTest, SendsAPacketEachPeriod) {
  plug({{"period_ms", "100"}});
  const auto start = timers.now();
  for (int i = 0; i < 11; ++i) (void)read();
  EXPECT_EQ(timers.now() - start, 1000ms);
}

TEST_F(GoTempTest, AddsOneToItsCounterAndWraps) {
  plug({{"period_ms", "10"}});
  for (int i = 0; i < 256; ++i) EXPECT_EQ(read().at(1), static_cast<std::byte>(i));
  EXPECT_EQ(read().at(1), std::byte{0});
}

TEST_F(GoTempTest, DeliversARampExactlyHoweverLateTheHostAsks) {
  plug({{"ramp", "20:22:0.25"}, {"period_ms", "50"}});
  for (int i = 0; i <= 8; ++i) {
    timers.advance(137ms * i);
    EXPECT_EQ(celsius(read()), 20 + 0.25 * i);
  }
  EXPECT_EQ(celsius(read()), 22.0) << "the last value stays";
}

TEST_F(GoTempTest, ACancelledReadLosesNoTemperature) {
  plug({{"ramp", "1:9:1"}});
  EXPECT_EQ(celsius(read()), 1);
  const auto cancelled = host->in(kIn, 8);
  timers.advance(100ms);
  host->cancel(cancelled);
  timers.advance(2s);
  EXPECT_EQ(celsius(read()), 2);
}

TEST_F(GoTempTest, HasNoTimerWhileNobodyReads) {
  plug({});
  EXPECT_EQ(timers.pending(), 0U);
  (void)read();
  EXPECT_EQ(timers.pending(), 0U);
}

// --- Commands ------------------------------------------------------------------------------------

TEST_F(GoTempTest, InitStopsMeasuringUntilTheStart) {
  plug({});
  EXPECT_EQ(command({0x1a}), Status::Ok);
  EXPECT_EQ(read(), raw_bytes({0x9a, 0x1a, 0, 0, 0, 0, 0, 0}));
  const auto silent = host->in(kIn, 8);
  timers.advance(10s);
  EXPECT_EQ(host->times_completed(silent), 0U);
  EXPECT_EQ(command({0x18}), Status::Ok);
  EXPECT_EQ(host->outcome(silent).data, raw_bytes({0x5a, 0x18, 0, 0, 0, 0, 0, 0}));
  const auto started = timers.now();
  EXPECT_EQ(read().at(0), std::byte{1});
  EXPECT_EQ(timers.now() - started, 500ms);
}

TEST_F(GoTempTest, TellsItsStatusAndVersion) {
  plug({});
  command({0x10});
  EXPECT_EQ(read(), raw_bytes({0x5c, 0x10, 0, 0x53, 0x01, 0, 0, 0}));
}

TEST_F(GoTempTest, ChangesItsPeriodWhileStopped) {
  plug({});
  command({0x1b, 0xd4, 0x1e, 0, 0});
  EXPECT_EQ(read(), raw_bytes({0x7a, 0x1b, 0x34, 0, 0, 0, 0, 0})) << "not while measuring";
  command({0x19});
  (void)read();
  command({0x1b, 0x84, 0x1e, 0, 0});
  EXPECT_EQ(read().at(0), std::byte{0x5a});
  command({0x1c});
  EXPECT_EQ(read(), raw_bytes({0x5d, 0x1c, 0x84, 0x1e, 0, 0, 0, 0}));
}

TEST_F(GoTempTest, RemembersItsLed) {
  plug({});
  command({0x1d, 0x40, 0x08});
  (void)read();
  command({0x1e});
  EXPECT_EQ(read(), raw_bytes({0x5b, 0x1e, 0x40, 0x08, 0, 0, 0, 0}));
}

TEST_F(GoTempTest, TellsItsSerialNumber) {
  plug({{"serial", "258"}});
  command({0x20});
  EXPECT_EQ(read(), raw_bytes({0x5f, 0x20, 0x01, 0x06, 0x02, 0x01, 0, 0}));
}

TEST_F(GoTempTest, WritesAndReadsItsMemory) {
  plug({});
  command({0x13, 0x10, 0xaa, 0xbb, 0xcc});
  EXPECT_EQ(read().at(0), std::byte{0x5a});
  command({0x17, 0x10, 3});
  EXPECT_EQ(read(), raw_bytes({0x5c, 0x17, 0xaa, 0xbb, 0xcc, 0, 0, 0}));
}

TEST_F(GoTempTest, ReadsALongPieceOfMemoryInSeveralPackets) {
  plug({});
  command({0x17, 0, 16});
  const auto first = read();
  const auto second = read();
  const auto third = read();
  EXPECT_EQ(first.at(0), std::byte{0x4f}) << "first packet, 7 bytes";
  EXPECT_EQ(first.at(3), std::byte{60}) << "the sensor number of a Go!Temp";
  EXPECT_EQ(second.at(0), std::byte{0x47});
  EXPECT_EQ(third.at(0), std::byte{0x53}) << "last packet, 3 bytes";
}

TEST_F(GoTempTest, RefusesMemoryBeyondItsEnd) {
  plug({});
  command({0x17, 0x7f, 2});
  EXPECT_EQ(read(), raw_bytes({0x7a, 0x17, 0x36, 0, 0, 0, 0, 0}));
  command({0x16, 0x7b});
  EXPECT_EQ(read(), raw_bytes({0x7a, 0x16, 0x36, 0, 0, 0, 0, 0}));
}

TEST_F(GoTempTest, RefusesCommandsOfOtherDevices) {
  plug({});
  command({0x30});
  EXPECT_EQ(read(), raw_bytes({0x7a, 0x30, 0x31, 0, 0, 0, 0, 0}));
}

TEST_F(GoTempTest, IgnoresACommandBeforeTheLastResponseWasRead) {
  plug({});
  command({0x1e});
  command({0x1c});
  EXPECT_EQ(read().at(1), std::byte{0x1e});
  EXPECT_EQ(read().at(0), std::byte{1}) << "a measurement, no second response";
}

TEST_F(GoTempTest, GetReportTellsTheLastPacket) {
  plug({});
  const auto packet = read();
  EXPECT_EQ(host->outcome(host->control({0xa1, 0x01, 0x0100, 0, 8})).data, packet);
}

TEST_F(GoTempTest, AResetStartsMeasuringAgain) {
  plug({});
  command({0x1a});
  host->control(SetupPacket::port_reset());
  EXPECT_EQ(read().at(0), std::byte{1});
}

TEST(GoTempMemory, ChecksumMakesTheXorZero) {
  const auto memory = go_temp_memory(7);
  std::uint8_t sum = 0;
  for (const auto byte : memory) sum ^= byte;
  EXPECT_EQ(sum, 0);
}

TEST_F(GoTempTest, RefusesBadSettings) {
  EXPECT_FALSE(create("go_temp", {{"period_ms", "0"}}, timers));
  EXPECT_FALSE(create("go_temp", {{"celsius", "hot"}}, timers));
  EXPECT_FALSE(create("go_temp", {{"colour", "red"}}, timers));
}

}  // namespace
}  // namespace periprox::emulated

// Gadget zero against the request sequences of usbtest (drivers/usb/misc/usbtest.c), at three
// speeds.
#include "periprox/emulated/zero.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::emulated {
namespace {

using namespace std::chrono_literals;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::testing::TestHost;

constexpr EndpointAddress kBulkIn(0x81);
constexpr EndpointAddress kBulkOut(0x01);
constexpr EndpointAddress kIsoIn(0x82);
constexpr EndpointAddress kIsoOut(0x02);
constexpr EndpointAddress kInterruptIn(0x83);
constexpr EndpointAddress kInterruptOut(0x03);

class ZeroTest : public ::testing::TestWithParam<const char*> {
 protected:
  void plug(Settings settings = {}, std::uint8_t alternate = 0) {
    settings["speed"] = GetParam();
    auto created = create("zero", settings, timers);
    ASSERT_TRUE(created) << created.error().text();
    device = std::move(*created);
    host = std::make_unique<TestHost>(*device);
    if (alternate != 0) {
      ASSERT_EQ(ask(SetupPacket::set_interface(0, alternate)).status, Status::Ok);
    }
  }
  usb::testing::Completion ask(const SetupPacket& setup, bool short_not_ok = false) {
    const std::vector<std::byte> zeros(setup.wLength);
    return host->outcome(host->control(setup, zeros, {.short_not_ok = short_not_ok}));
  }
  [[nodiscard]] std::uint16_t packet_size(EndpointAddress endpoint) const {
    return device->model().endpoint(endpoint)->max_packet_size;
  }
  [[nodiscard]] std::vector<std::byte> mod63(std::size_t count, EndpointAddress endpoint) const {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) {
      bytes[i] = static_cast<std::byte>(i % packet_size(endpoint) % 63);
    }
    return bytes;
  }

  SimulatedTimers timers;
  std::unique_ptr<usb::Device> device;
  std::unique_ptr<TestHost> host;
};

INSTANTIATE_TEST_SUITE_P(Speeds, ZeroTest,
                         ::testing::Values("full", "high", "super", "super-plus"));

// get_endpoints(): the setting that usbtest's parameter `alt` chooses.
TEST_P(ZeroTest, SettingsHaveTheEndpointsThatUsbtestLooksFor) {
  plug();
  EXPECT_EQ(device->model().configuration_value(), 3);
  EXPECT_TRUE(device->model().endpoint(kBulkIn));
  EXPECT_FALSE(device->model().endpoint(kIsoIn));
  ask(SetupPacket::set_interface(0, 1));
  EXPECT_EQ(device->model().endpoint(kIsoOut)->type, usb::TransferType::Isochronous);
  EXPECT_TRUE(device->model().endpoint(kBulkOut));
  ask(SetupPacket::set_interface(0, 2));
  EXPECT_EQ(device->model().endpoint(kInterruptIn)->type, usb::TransferType::Interrupt);
  EXPECT_FALSE(device->model().endpoint(kIsoIn));
}

// Cases 1 to 8, 17 to 20, 27 and 28: simple_io() asks for all of it and checks every byte.
TEST_P(ZeroTest, SourcesAndSinksZerosOfEveryLength) {
  plug();
  for (const std::uint32_t length :
       {1U, 63U, 512U, 1000U, 4096U, 65536U, 1U << 20, (1U << 21) + 5}) {
    const auto in = host->in(kBulkIn, length, {.short_not_ok = true});
    EXPECT_EQ(host->outcome(in).status, Status::Ok) << length;
    EXPECT_EQ(host->outcome(in).data, std::vector<std::byte>(length)) << length;
    const auto out = host->out(kBulkOut, std::vector<std::byte>(length), {.zero_packet = true});
    EXPECT_EQ(host->outcome(out).status, Status::Ok) << length;
  }
}

TEST_P(ZeroTest, SourcesAndSinksThePatternMod63) {
  plug({{"pattern", "1"}});
  for (const std::uint32_t length : {1U, 64U, 1000U, 2048U, 100'000U, (1U << 20) + 1}) {
    const auto in = host->in(kBulkIn, length);
    EXPECT_EQ(host->outcome(in).data, mod63(length, kBulkIn)) << length;
    const auto out = host->out(kBulkOut, mod63(length, kBulkOut));
    EXPECT_EQ(host->outcome(out).status, Status::Ok) << length;
    EXPECT_EQ(ask({0x82, 0, 0, 1, 2}).data, raw_bytes({0, 0})) << "not halted";
  }
}

TEST_P(ZeroTest, HaltsTheSinkAfterAWrongByte) {
  plug();
  auto wrong = std::vector<std::byte>(1024);
  wrong[777] = std::byte{1};
  const auto taken = host->out(kBulkOut, wrong);
  const auto refused = host->out(kBulkOut, std::vector<std::byte>(8));
  EXPECT_EQ(host->outcome(taken).status, Status::Ok);
  EXPECT_EQ(host->outcome(refused).status, Status::Stalled);
  EXPECT_EQ(host->outcome(host->in(kBulkIn, 8)).status, Status::Ok) << "the source goes on";
}

TEST_P(ZeroTest, ChecksNothingWithPattern2) {
  plug({{"pattern", "2"}});
  host->out(kBulkOut, std::vector<std::byte>(64, std::byte{7}));
  EXPECT_EQ(host->outcome(host->out(kBulkOut, std::vector<std::byte>(8))).status, Status::Ok);
}

// Case 9: ch9_postconfig().
TEST_P(ZeroTest, PassesTheChapter9Subset) {
  plug();
  for (const std::uint8_t alternate : {0, 1, 2}) {
    EXPECT_EQ(ask(SetupPacket::set_interface(0, alternate)).status, Status::Ok);
    EXPECT_EQ(ask({0x81, 10, 0, 0, 1}).data, raw_bytes({alternate}));
  }
  EXPECT_EQ(ask({0x80, 8, 0, 0, 1}).data, raw_bytes({3}));
  EXPECT_EQ(ask(SetupPacket::get_descriptor(1, 0, 18)).data.size(), 18U);
  for (const std::uint8_t index : {0, 1}) {
    const auto block = ask(SetupPacket::get_descriptor(2, index, 256)).data;
    ASSERT_GE(block.size(), 9U);
    EXPECT_EQ(block.size(), std::to_integer<std::size_t>(block[2]) +
                                256 * std::to_integer<std::size_t>(block[3]));
    EXPECT_EQ(block[7] & std::byte{0x1f}, std::byte{0});
  }
  const bool is_high = device->model().speed() == usb::Speed::High;
  const auto qualifier = ask(SetupPacket::get_descriptor(6, 0, 10));
  EXPECT_EQ(qualifier.status == Status::Ok, is_high || device->model().speed() == usb::Speed::Full);
  EXPECT_EQ(ask({0x80, 0, 0, 0, 2}).data, raw_bytes({1, 0}));
  EXPECT_EQ(ask({0x81, 0, 0, 0, 2}).data, raw_bytes({0, 0}));
}

// Case 10: test_ctrl_queue(), its 16 subcases queued at once.
TEST_P(ZeroTest, PassesTheControlQueue) {
  plug();
  const auto& model = device->model();
  const bool is_super = usb::is_super(model.speed());
  const auto get = SetupPacket::get_descriptor;
  struct Subcase {
    SetupPacket setup;
    std::vector<Status> allowed;
  };
  const auto packet0 = model.descriptor().bMaxPacketSize0;
  const std::vector<Status> ok{Status::Ok};
  const std::vector<Status> ok_or_stall{Status::Ok, Status::Stalled};
  const std::vector<Status> is_short{Status::ShortTransfer};
  const std::vector<Subcase> subcases{
      {get(1, 0, 18, 0), ok},
      {get(2, 0, 9, 0), ok},
      {{0x81, 10, 0, 0, 1}, ok},
      {{0x81, 0, 0, 0, 2}, ok},
      {{0x80, 0, 0, 0, 2}, ok},
      {get(6, 0, 10, 0), model.speed() == usb::Speed::High ? ok : ok_or_stall},
      {get(2, 0, 18, 0), ok},
      {get(4, 0, 9, 0), {Status::Stalled}},
      {{0x02, 1, 0, 0, 0}, ok_or_stall},
      {{0x82, 0, 0, 0, 2}, ok},
      {get(2, 0, 1024, 0), is_short},
      {get(5, 0, 9, 0), {Status::Stalled}},
      {get(3, 0, 9, 0), is_short},
      {get(2, 0, static_cast<std::uint16_t>(1024 - (is_super ? 512 : packet0)), 0), is_short},
      {get(1, 0, is_super ? 512 : packet0, 0), is_short},
      {get(15, 0, static_cast<std::uint16_t>(is_super ? model.bos.size() : 5), 0),
       is_super ? ok : std::vector{Status::Stalled}},
  };
  std::vector<std::uint64_t> ids;
  for (int round = 0; round < 4; ++round) {
    for (const auto& subcase : subcases) {
      ids.push_back(host->control(subcase.setup, {}, {.short_not_ok = true}));
    }
  }
  timers.advance(1ms);
  EXPECT_EQ(host->order(), ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_THAT(subcases[i % 16].allowed, ::testing::Contains(host->outcome(ids[i]).status))
        << "subcase " << i % 16;
  }
}

// Cases 11, 12 and 24 unlink what the device may have completed already; what it has not, it gives
// back. A full loopback is what makes it hold something.
TEST_P(ZeroTest, GivesBackUnlinkedTransfersOfAFullLoopback) {
  plug();
  ask(SetupPacket::set_configuration(2));
  const auto waiting = host->in(kBulkIn, 512);
  host->cancel(waiting);
  EXPECT_EQ(host->outcome(waiting).status, Status::Cancelled);
}

// Case 13: halt_simple().
TEST_P(ZeroTest, PassesTheHaltCase) {
  plug();
  for (const auto endpoint : {kBulkIn, kBulkOut}) {
    const auto transfer = [&] {
      const auto id = endpoint.is_in() ? host->in(endpoint, 1024)
                                       : host->out(endpoint, std::vector<std::byte>(1024));
      return host->outcome(id).status;
    };
    EXPECT_EQ(ask({0x82, 0, 0, endpoint.value(), 2}).data, raw_bytes({0, 0}));
    EXPECT_EQ(transfer(), Status::Ok);
    EXPECT_EQ(ask({0x02, 3, 0, endpoint.value(), 0}).status, Status::Ok);
    EXPECT_EQ(ask({0x82, 0, 0, endpoint.value(), 2}).data, raw_bytes({1, 0}));
    EXPECT_EQ(transfer(), Status::Stalled);
    EXPECT_EQ(transfer(), Status::Stalled);
    EXPECT_EQ(ask(SetupPacket::clear_halt(endpoint)).status, Status::Ok);
    EXPECT_EQ(ask({0x82, 0, 0, endpoint.value(), 2}).data, raw_bytes({0, 0}));
    EXPECT_EQ(transfer(), Status::Ok);
  }
}

// Cases 14 and 21: ctrl_out().
TEST_P(ZeroTest, KeepsWhatControlRequestsWrite) {
  plug();
  for (const std::uint16_t length : {1, 64, 256, 4096, 65535}) {
    std::vector<std::byte> data(length);
    for (std::size_t i = 0; i < length; ++i) data[i] = static_cast<std::byte>(length + i);
    const auto written = host->control({0x40, 0x5b, 0, 0, length}, data);
    EXPECT_EQ(host->outcome(written).actual_length, length);
    EXPECT_EQ(ask({0xc0, 0x5c, 0, 0, length}).data, data);
  }
}

TEST_P(ZeroTest, RefusesTheControlRequestsInAnotherForm) {
  plug();
  EXPECT_EQ(ask({0xc0, 0x5c, 1, 0, 8}).status, Status::Stalled);
  EXPECT_EQ(ask({0xc1, 0x5c, 0, 0, 8}).status, Status::Stalled);
  EXPECT_EQ(ask({0xc0, 0x5b, 0, 0, 8}).status, Status::Stalled);
}

// Cases 15, 16, 22 and 23: test_queue() with several URBs, the last packet short.
TEST_P(ZeroTest, PassesTheIsochronousQueue) {
  plug({}, 1);
  const std::uint32_t packet = packet_size(kIsoIn);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(host->isochronous(kIsoIn, 8, packet));
    ids.push_back(host->isochronous(kIsoOut, 8, packet));
  }
  timers.advance(1s);
  for (const auto id : ids) {
    EXPECT_EQ(host->outcome(id).status, Status::Ok);
    EXPECT_EQ(host->outcome(id).actual_length, 8 * packet);
  }
}

TEST_P(ZeroTest, IsochronousStreamKeepsTheFrameRate) {
  plug({}, 1);
  host->isochronous(kIsoIn, 10, 64);
  const auto last = host->isochronous(kIsoIn, 10, 64);
  timers.advance(20ms);
  EXPECT_EQ(host->times_completed(last), 0U);
  timers.advance(1ms);
  EXPECT_EQ(host->times_completed(last), 1U);
}

// Cases 25 and 26.
TEST_P(ZeroTest, PassesTheInterruptCases) {
  plug({{"pattern", "1"}}, 2);
  for (const std::uint32_t length : {8U, 64U, 1024U}) {
    const auto in = host->in(kInterruptIn, length, {.short_not_ok = true});
    const auto out = host->out(kInterruptOut, mod63(length, kInterruptOut));
    timers.advance(100ms);
    EXPECT_EQ(host->outcome(in).data, mod63(length, kInterruptIn));
    EXPECT_EQ(host->outcome(out).status, Status::Ok);
  }
}

// Case 29: toggle_sync_simple().
TEST_P(ZeroTest, PassesTheToggleCase) {
  plug();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(SetupPacket::clear_halt(kBulkOut)).status, Status::Ok);
    const std::vector<std::byte> two_packets(2U * packet_size(kBulkOut));
    const auto id = host->out(kBulkOut, two_packets, {.zero_packet = true});
    EXPECT_EQ(host->outcome(id).status, Status::Ok);
  }
}

// --- Loopback ------------------------------------------------------------------------------------

TEST_P(ZeroTest, EchoesInItsSecondConfiguration) {
  plug();
  EXPECT_EQ(ask(SetupPacket::set_configuration(2)).status, Status::Ok);
  const auto early = host->in(kBulkIn, 4096);
  const auto first = raw_bytes({1, 2, 3});
  const auto second = raw_bytes({4, 5});
  host->out(kBulkOut, first);
  host->out(kBulkOut, second);
  EXPECT_EQ(host->outcome(early).data, first);
  EXPECT_EQ(host->outcome(host->in(kBulkIn, 4096)).data, second);
}

TEST_P(ZeroTest, LoopbackMakesTheHostWaitWhenItIsFull) {
  plug();
  ask(SetupPacket::set_configuration(2));
  const std::vector<std::byte> large(std::size_t{1} << 20, std::byte{1});
  const auto first = host->out(kBulkOut, large);
  const auto second = host->out(kBulkOut, large);
  EXPECT_EQ(host->outcome(first).status, Status::Ok);
  EXPECT_EQ(host->times_completed(second), 0U);
  EXPECT_EQ(host->outcome(host->in(kBulkIn, 1U << 20)).data, large);
  EXPECT_EQ(host->outcome(second).status, Status::Ok);
}

TEST_P(ZeroTest, LoopbackForgetsWithItsConfiguration) {
  plug();
  ask(SetupPacket::set_configuration(2));
  host->out(kBulkOut, raw_bytes({1}));
  ask(SetupPacket::set_configuration(2));
  const auto id = host->in(kBulkIn, 512);
  EXPECT_EQ(host->times_completed(id), 0U);
}

}  // namespace
}  // namespace periprox::emulated

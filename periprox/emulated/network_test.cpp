// The adapter as a host's NCM and ECM drivers see it.
#include "periprox/emulated/network.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "periprox/emulated/function_testing.hpp"

namespace periprox::emulated {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using usb::SetupPacket;
using usb::Status;

constexpr usb::EndpointAddress kNotifications(0x81);
constexpr usb::EndpointAddress kIn(0x82);
constexpr usb::EndpointAddress kOut(0x02);
constexpr std::uint16_t kDataInterface = 1;

/// A stream that keeps packets apart.
class PacketStream final : public ByteStream {
 public:
  std::size_t read(MutableBytes room) override {
    if (arrived.empty()) return 0;
    const auto packet = std::move(arrived.front());
    arrived.pop_front();
    const auto count = std::min(packet.size(), room.size());
    std::memcpy(room.data(), packet.data(), count);
    return count;
  }
  std::size_t write(Bytes data) override {
    if (written.size() == room_for) return 0;
    written.emplace_back(data.begin(), data.end());
    return data.size();
  }
  [[nodiscard]] bool read_ended() const override { return false; }
  void when_readable(std::function<void()> callback) override { readable = std::move(callback); }
  void when_writable(std::function<void()> callback) override { writable = std::move(callback); }
  [[nodiscard]] bool is_connected() const override { return connected; }
  void on_connection(std::function<void()> callback) override { changed = std::move(callback); }

  std::deque<std::vector<std::byte>> arrived;
  std::vector<std::vector<std::byte>> written;
  std::size_t room_for = 1000;
  bool connected = true;
  std::function<void()> readable;
  std::function<void()> writable;
  std::function<void()> changed;
};

std::vector<std::byte> frame_of(std::size_t size, int fill) {
  return std::vector<std::byte>(size, static_cast<std::byte>(fill));
}

class NetworkTest : public ::testing::Test, protected testing::FunctionRig {
 protected:
  void plug_network(NetworkAdapter::Model model) {
    auto made = std::make_unique<PacketStream>();
    stream = made.get();
    adapter =
        std::make_shared<NetworkAdapter>(NetworkAdapter::Options{.model = model}, std::move(made));
    plug({[this](Place place) { return network_function(adapter, place); }});
    host->control(SetupPacket::set_interface(kDataInterface, 1));
  }
  static std::vector<std::byte> block_of(const std::vector<std::vector<std::byte>>& frames) {
    ntb::Builder builder;
    builder.begin(ntb::kMaxBlockSize);
    for (const auto& frame : frames) builder.add(frame);
    const auto block = builder.finish(0);
    return {block.begin(), block.end()};
  }

  PacketStream* stream = nullptr;
  std::shared_ptr<NetworkAdapter> adapter;
};

using Model = NetworkAdapter::Model;

TEST_F(NetworkTest, NamesTheAddressThatTheHostTakes) {
  plug_network(Model::Ncm);
  const auto& first = device->model().active_configuration()->interfaces.at(0);
  const auto& ethernet = first.alternate_settings.at(0).extra.at(2);
  const auto index = std::to_integer<std::uint16_t>(ethernet.at(3));
  EXPECT_EQ(ethernet, raw_bytes({13, 0x24, 15, index, 0, 0, 0, 0, 0xea, 5, 0, 0, 0}));
  const auto string = control({0x80, 6, static_cast<std::uint16_t>(0x0300 | index), 0x0409, 255});
  EXPECT_EQ(usb::parse_string(string.data), "025050000001");
}

TEST_F(NetworkTest, TellsItsSpeedAndThenItsLink) {
  plug_network(Model::Ncm);
  EXPECT_EQ(read(kNotifications, 16).data,
            raw_bytes({0xa1, 0x2a, 0, 0, 0, 0, 8, 0, 0, 0, 0x64, 0x19, 0, 0, 0x64, 0x19}));
  EXPECT_EQ(read(kNotifications, 16).data, raw_bytes({0xa1, 0, 1, 0, 0, 0, 0, 0}));
  const auto asked = host->in(kNotifications, 16);
  timers.advance(std::chrono::seconds(1));
  EXPECT_EQ(host->times_completed(asked), 0U);
  stream->connected = false;
  stream->changed();
  timers.advance(std::chrono::seconds(1));
  EXPECT_EQ(host->outcome(asked).data, raw_bytes({0xa1, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(NetworkTest, AnswersItsParameters) {
  plug_network(Model::Ncm);
  const auto parameters = control({0xa1, 0x80, 0, 0, 28}).data;
  EXPECT_EQ(parameters, raw_bytes({28, 0, 1, 0,    0, 0x40, 0, 0, 4, 0, 0, 0, 4, 0,
                                   0,  0, 0, 0x40, 0, 0,    4, 0, 0, 0, 4, 0, 0, 0}));
}

TEST_F(NetworkTest, TakesOnlyInputSizesThatHoldAFrame) {
  plug_network(Model::Ncm);
  EXPECT_EQ(control({0x21, 0x86, 0, 0, 4}, raw_bytes({0, 8, 0, 0})).status, Status::Ok);
  EXPECT_EQ(control({0x21, 0x86, 0, 0, 4}, raw_bytes({0xff, 7, 0, 0})).status, Status::Stalled);
  EXPECT_EQ(control({0x21, 0x86, 0, 0, 4}, raw_bytes({1, 0x40, 0, 0})).status, Status::Stalled);
  EXPECT_EQ(control({0xa1, 0x85, 0, 0, 4}).data, raw_bytes({0, 8, 0, 0}));
}

TEST_F(NetworkTest, PassesOnEveryFrameOfABlock) {
  plug_network(Model::Ncm);
  const auto frames = std::vector{frame_of(60, 1), frame_of(1514, 2), frame_of(64, 3)};
  EXPECT_EQ(write(kOut, block_of(frames)).status, Status::Ok);
  EXPECT_EQ(stream->written, frames);
}

TEST_F(NetworkTest, ABlockMayComeInSeveralTransfers) {
  plug_network(Model::Ncm);
  const auto block = block_of({frame_of(1000, 1)});
  EXPECT_EQ(write(kOut, Bytes(block).first(512)).status, Status::Ok);
  EXPECT_TRUE(stream->written.empty());
  EXPECT_EQ(write(kOut, Bytes(block).subspan(512)).status, Status::Ok);
  EXPECT_THAT(stream->written, ElementsAre(frame_of(1000, 1)));
}

TEST_F(NetworkTest, DropsABlockThatMakesNoSense) {
  plug_network(Model::Ncm);
  EXPECT_EQ(write(kOut, frame_of(100, 0xff)).status, Status::Ok);
  EXPECT_EQ(adapter->malformed_blocks(), 1U);
  EXPECT_EQ(write(kOut, block_of({frame_of(60, 1)})).status, Status::Ok);
  EXPECT_EQ(stream->written.size(), 1U);
}

TEST_F(NetworkTest, HoldsTheHostUpWhileTheCableIsFull) {
  plug_network(Model::Ncm);
  stream->room_for = 1;
  const auto sent = host->out(kOut, block_of({frame_of(60, 1), frame_of(60, 2)}));
  EXPECT_EQ(host->times_completed(sent), 0U);
  stream->room_for = 2;
  stream->writable();
  EXPECT_EQ(host->outcome(sent).status, Status::Ok);
  EXPECT_EQ(stream->written.size(), 2U);
}

TEST_F(NetworkTest, ACancelledBlockLeavesNothingBehind) {
  plug_network(Model::Ncm);
  stream->room_for = 0;
  host->cancel(host->out(kOut, block_of({frame_of(60, 1)})));
  stream->room_for = 10;
  EXPECT_EQ(write(kOut, block_of({frame_of(60, 2)})).status, Status::Ok);
  EXPECT_THAT(stream->written, ElementsAre(frame_of(60, 2)));
}

TEST_F(NetworkTest, GivesWhatHasArrivedInOneBlock) {
  plug_network(Model::Ncm);
  const auto asked = host->in(kIn, 16384);
  EXPECT_EQ(host->times_completed(asked), 0U);
  stream->arrived = {frame_of(60, 1), frame_of(1514, 2)};
  stream->readable();
  const auto data = host->outcome(asked).data;
  const auto frames = ntb::parse(data).value();
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(std::vector(frames[1].begin(), frames[1].end()), frame_of(1514, 2));
}

TEST_F(NetworkTest, WhatDoesNotFitWaitsForTheNextBlock) {
  plug_network(Model::Ncm);
  EXPECT_EQ(control({0x21, 0x86, 0, 0, 4}, raw_bytes({0, 8, 0, 0})).status, Status::Ok);
  stream->arrived = {frame_of(1514, 1), frame_of(1514, 2)};
  const auto first = read(kIn, 16384).data;
  const auto second = read(kIn, 16384).data;
  EXPECT_LE(first.size(), 2048U);
  EXPECT_EQ(ntb::parse(first).value().size(), 1U);
  EXPECT_EQ(ntb::parse(second).value().at(0).front(), std::byte{2});
}

TEST_F(NetworkTest, EcmMovesAFrameInEachTransfer) {
  plug_network(Model::Ecm);
  EXPECT_EQ(write(kOut, frame_of(700, 1)).status, Status::Ok);
  EXPECT_EQ(write(kOut, frame_of(512, 2)).status, Status::Ok);
  EXPECT_EQ(write(kOut, {}).status, Status::Ok);
  EXPECT_THAT(stream->written, ElementsAre(frame_of(700, 1), frame_of(512, 2)));
  stream->arrived = {frame_of(60, 3), frame_of(61, 4)};
  EXPECT_EQ(read(kIn, 2048).data, frame_of(60, 3));
  EXPECT_EQ(read(kIn, 2048).data, frame_of(61, 4));
}

TEST_F(NetworkTest, EcmDropsAFrameThatIsTooLong) {
  plug_network(Model::Ecm);
  EXPECT_EQ(write(kOut, frame_of(4000, 1)).status, Status::Ok);
  EXPECT_TRUE(stream->written.empty());
  EXPECT_EQ(write(kOut, frame_of(60, 2)).status, Status::Ok);
  EXPECT_EQ(stream->written.size(), 1U);
}

TEST(MacAddress, IsReadStrictly) {
  EXPECT_EQ(parse_mac_address("02:50:50:0a:00:FF"), (MacAddress{2, 0x50, 0x50, 10, 0, 0xff}));
  EXPECT_FALSE(parse_mac_address("01:50:50:00:00:01"));  // a group
  EXPECT_FALSE(parse_mac_address("02-50-50-00-00-01"));
  EXPECT_FALSE(parse_mac_address("02:50:50:00:00"));
}

TEST(NetworkSettings, KnowsOnlyCablesThatKeepPacketsApart) {
  SimulatedTimers timers;
  const auto device = create("network", {{"to", "pty"}}, timers);
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().text(), HasSubstr("to=pty is not tap:NAME or dgram:PATH,PEER"));
}

}  // namespace
}  // namespace periprox::emulated

// Client and server sessions back to back, over a wire that cuts the bytes anywhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "periprox/session/testing.hpp"
#include "periprox/session/usbip_client.hpp"
#include "periprox/session/usbip_server.hpp"

namespace periprox::session {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the kit of these tests
using usb::EndpointAddress;
using usb::Status;

constexpr TimePoint kStart{std::chrono::hours(1)};

/// A device, exported and imported again. It answers for descriptors itself and holds the rest.
struct BackToBack {
  explicit BackToBack(std::uint32_t seed) : wire(client, server, seed) {
    device.on_submit = [this](usb::Urb urb) {
      const auto answer = urb->endpoint.number() == 0
                              ? descriptor_answer(device.model(), urb->setup)
                              : std::nullopt;
      if (answer) {
        complete_in(device, std::move(urb), *answer);
      } else {
        device.held.push_back(std::move(urb));
      }
    };
    exports.devices["1-1"] = &device;
    client.on_ready([this](const Result<void>& result) { ready = result.has_value(); });
    wire.settle();
  }

  FakeExports exports;
  FakeDevice device;
  Completions done;
  bool ready = false;
  UsbipServer server{exports, "client", kStart};
  UsbipClient client{"1-1", kStart};
  MemoryWire wire;
};

TEST(UsbipWire, ImportsADevice) {
  BackToBack both(1);
  EXPECT_TRUE(both.ready);
  EXPECT_EQ(both.client.model().descriptor(), both.device.model().descriptor());
  EXPECT_EQ(both.client.address().busid, "1-1");
}

TEST(UsbipWire, TellsTheClientWhenTheDeviceGoes) {
  BackToBack both(1);
  bool gone = false;
  both.client.on_gone([&] { gone = true; });
  both.client.submit(make_in(both.done, kBulkIn, 64));
  both.wire.settle();
  both.device.go_away();
  both.wire.settle();
  ASSERT_EQ(both.done.outcomes.size(), 1U);
  EXPECT_EQ(both.done.outcomes[0].status, Status::DeviceGone);
  both.server.woken(TimePoint{});
  both.server.woken(TimePoint{} + ServerLimits{}.gone_linger);
  EXPECT_TRUE(both.server.finished());
  both.client.receive_ended(std::nullopt);
  EXPECT_TRUE(gone);
}

/// What URB `id` of a random play carries: the same on both sides, so that every byte is compared.
ByteVector content(std::uint64_t id, std::size_t size) {
  return pattern(size, static_cast<std::uint32_t>(id));
}

void moves_random_urbs(std::uint32_t seed) {
  BackToBack both(seed);
  ASSERT_TRUE(both.ready);
  std::mt19937 random(seed);
  const auto chance = [&](std::uint32_t of) { return random() % of == 0; };
  std::map<std::uint64_t, std::uint32_t> lengths;
  std::map<std::uint64_t, bool> is_in;
  std::deque<std::uint64_t>
      ins;  // Of bulk IN and OUT, in the order submitted: the device meets them so.
  std::deque<std::uint64_t> outs;
  std::map<std::uint64_t, std::size_t> returned;
  for (std::uint64_t id = 1; id <= 600; ++id) {
    const auto length = static_cast<std::uint32_t>(chance(6) ? random() % 200'000 : random() % 600);
    lengths[id] = length;
    is_in[id] = chance(2);
    if (is_in[id]) {
      both.client.submit(make_in(both.done, kBulkIn, length, usb::TransferType::Bulk, id));
      ins.push_back(id);
    } else {
      both.client.submit(make_out(both.client, both.done, kBulkOut, content(id, length),
                                  usb::TransferType::Bulk, id));
      outs.push_back(id);
    }
    for (auto moves = random() % 4; moves > 0; --moves) both.wire.move_some();
    while (!both.device.held.empty() && (chance(2) || id == 600)) {
      // The first of either endpoint, as the order in an endpoint is the device's to keep.
      auto urb = both.device.take();
      auto& queue = urb->is_in() ? ins : outs;
      const auto met = queue.front();
      queue.pop_front();
      ASSERT_EQ(urb->length, lengths[met]);
      if (urb->is_in()) {
        const auto count = urb->length == 0 ? 0 : random() % (urb->length + 1);
        returned[met] = count;
        complete_in(both.device, std::move(urb), content(met, count));
      } else {
        ASSERT_TRUE(std::ranges::equal(urb->data(), content(met, urb->length))) << met;
        urb.complete(Status::Ok, urb->length);
      }
    }
  }
  for (int i = 0; i < 3; ++i) {
    both.wire.settle();
    while (!both.device.held.empty()) {
      auto urb = both.device.take();
      auto& queue = urb->is_in() ? ins : outs;
      const auto met = queue.front();
      queue.pop_front();
      returned[met] = urb->length;
      if (urb->is_in()) {
        const auto data = content(met, urb->length);
        complete_in(both.device, std::move(urb), data);
      } else {
        ASSERT_TRUE(std::ranges::equal(urb->data(), content(met, urb->length))) << met;
        urb.complete(Status::Ok, urb->length);
      }
    }
  }
  ASSERT_EQ(both.done.outcomes.size(), 600U);
  std::uint64_t last_in = 0;
  std::uint64_t last_out = 0;
  for (const auto& outcome : both.done.outcomes) {
    auto& last = is_in[outcome.cookie] ? last_in : last_out;
    EXPECT_GT(outcome.cookie, last);  // In order, per endpoint.
    last = outcome.cookie;
    EXPECT_EQ(outcome.status, Status::Ok);
    const auto expected =
        is_in[outcome.cookie] ? content(outcome.cookie, returned[outcome.cookie]) : ByteVector{};
    EXPECT_EQ(outcome.data, expected);
  }
}

TEST(UsbipWire, MovesEveryByteOfRandomUrbs1) { moves_random_urbs(1); }
TEST(UsbipWire, MovesEveryByteOfRandomUrbs2) { moves_random_urbs(2); }
TEST(UsbipWire, MovesEveryByteOfRandomUrbs3) { moves_random_urbs(3); }

TEST(UsbipWire, KeepsItsPromiseIn100000CancelRaces) {
  BackToBack both(7);
  std::mt19937 random(7);
  std::size_t completed = 0;
  for (int i = 0; i < 100'000; ++i) {
    both.device.on_cancel = static_cast<FakeDevice::OnCancel>(random() % 3);
    auto urb = make_in(both.done, kBulkIn, 8);
    const auto handle = urb.handle();
    both.client.submit(std::move(urb));
    if (random() % 2 == 0) both.wire.settle();
    if (random() % 4 == 0 && !both.device.held.empty()) both.device.complete(0, pattern(8));
    if (random() % 2 == 0) both.wire.move_some();
    if (both.done.outcomes.empty()) both.client.cancel(handle);
    both.wire.settle();
    while (!both.device.held.empty()) both.device.complete_cancelled();
    both.wire.settle();
    ASSERT_EQ(both.done.outcomes.size(), 1U) << i;
    const auto& outcome = both.done.outcomes[0];
    ASSERT_TRUE(outcome.status == Status::Ok || outcome.status == Status::Cancelled) << i;
    if (outcome.actual_length > 0) {
      ASSERT_EQ(outcome.data, pattern(8)) << i;
    }
    both.done.outcomes.clear();
    ++completed;
  }
  EXPECT_EQ(completed, 100'000U);
  EXPECT_EQ(both.client.pending(), 0U);
  EXPECT_EQ(both.server.pending(), 0U);
  EXPECT_FALSE(both.server.failure());
  EXPECT_FALSE(both.client.finished());
}

}  // namespace
}  // namespace periprox::session

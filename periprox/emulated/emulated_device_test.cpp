// The engine: answers now and later, order, babble, halts, control requests.
#include "periprox/emulated/emulated_device_testing.hpp"

namespace periprox::emulated {
namespace {

// --- Bulk ----------------------------------------------------------------------------------------

TEST_F(EmulatedDeviceTest, CompletesBulkInsideSubmit) {
  plug({bulk_in(1, [](InTransfer t) { t.send(counting(10)); })});
  const auto id = host->in(kIn1, 512);
  EXPECT_EQ(host->outcome(id).data, counting(10));
  EXPECT_EQ(timers.pending(), 0U);
}

TEST_F(EmulatedDeviceTest, HandsOutOneTransferAtATime) {
  std::vector<InTransfer> held;
  plug({bulk_in(1, [&](InTransfer t) { held.push_back(std::move(t)); })});
  const auto first = host->in(kIn1, 512);
  const auto second = host->in(kIn1, 512);
  ASSERT_EQ(held.size(), 1U);
  held[0].send(counting(1));
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(host->outcome(first).status, Status::Ok);
  EXPECT_EQ(host->times_completed(second), 0U);
  held[1].send(counting(2));
  EXPECT_EQ(host->outcome(second).actual_length, 2U);
}

TEST_F(EmulatedDeviceTest, IgnoresAnAnswerAfterTheCancel) {
  InTransfer held;
  plug({bulk_in(1, [&](InTransfer t) { held = std::move(t); })});
  const auto id = host->in(kIn1, 512);
  host->cancel(id);
  EXPECT_FALSE(held.pending());
  held.send(counting(1));
  EXPECT_EQ(host->times_completed(id), 1U);
  EXPECT_EQ(host->outcome(id).status, Status::Cancelled);
}

TEST_F(EmulatedDeviceTest, HandsOutTheNextTransferAfterACancel) {
  InTransfer held;
  plug({bulk_in(1, [&](InTransfer t) { held = std::move(t); })});
  const auto first = host->in(kIn1, 512);
  const auto second = host->in(kIn1, 512);
  host->cancel(first);
  timers.advance(0ns);
  ASSERT_TRUE(held.pending());
  held.send(counting(3));
  EXPECT_EQ(host->outcome(second).actual_length, 3U);
}

TEST_F(EmulatedDeviceTest, StallsATransferThatIsDroppedUnanswered) {
  plug({bulk_in(1, [](InTransfer) {})});
  const auto id = host->in(kIn1, 512);
  EXPECT_EQ(host->outcome(id).status, Status::Stalled);
}

TEST_F(EmulatedDeviceTest, GoesOnInTheNextTransferWithWhatWasNotAskedFor) {
  int asked = 0;
  plug({bulk_in(1, [&](InTransfer t) {
    ++asked;
    t.send(counting(1100));
  })});
  const auto first = host->in(kIn1, 512);
  const auto second = host->in(kIn1, 1024);
  ASSERT_EQ(asked, 1);
  EXPECT_EQ(host->outcome(first).actual_length, 512U);
  ASSERT_EQ(host->outcome(second).actual_length, 588U);
  EXPECT_EQ(host->outcome(second).data.front(), static_cast<std::byte>(512 & 0xff));
}

TEST_F(EmulatedDeviceTest, BabblesWhenAPacketDoesNotFit) {
  plug({bulk_in(1, [](InTransfer t) { t.send(counting(1024)); })});
  const auto id = host->in(kIn1, 600);
  EXPECT_EQ(host->outcome(id).status, Status::Babble);
  EXPECT_EQ(host->outcome(id).actual_length, 512U);
  const auto next = host->in(kIn1, 1024);
  EXPECT_EQ(host->outcome(next).actual_length, 1024U) << "nothing of the babble is left";
}

TEST_F(EmulatedDeviceTest, ReportsAShortTransferWhenTheHostForbidsIt) {
  plug({bulk_in(1, [](InTransfer t) { t.send(counting(10)); })});
  const auto id = host->in(kIn1, 512, {.short_not_ok = true});
  EXPECT_EQ(host->outcome(id).status, Status::ShortTransfer);
  EXPECT_EQ(host->outcome(id).actual_length, 10U);
}

TEST_F(EmulatedDeviceTest, TellsWhetherAnOutTransferEndsShort) {
  std::vector<bool> ends;
  plug({bulk_out(1, [&](OutTransfer t) {
    ends.push_back(t.ends_short());
    t.accept();
  })});
  host->out(kOut1, counting(512));
  host->out(kOut1, counting(512), {.zero_packet = true});
  host->out(kOut1, counting(100));
  host->out(kOut1, {});
  EXPECT_THAT(ends, ElementsAre(false, true, true, true));
}

TEST_F(EmulatedDeviceTest, HaltsAfterTheTransferThatWasAccepted) {
  plug({bulk_out(1, [](OutTransfer t) { t.accept_then_halt(); })});
  const auto taken = host->out(kOut1, counting(5));
  const auto refused = host->out(kOut1, counting(5));
  EXPECT_EQ(host->outcome(taken).status, Status::Ok);
  EXPECT_EQ(host->outcome(taken).actual_length, 5U);
  EXPECT_EQ(host->outcome(refused).status, Status::Stalled);
}

TEST_F(EmulatedDeviceTest, StallCompletesTheWholeQueueStalled) {
  InTransfer held;
  plug({bulk_in(1, [&](InTransfer t) { held = std::move(t); })});
  const auto first = host->in(kIn1, 512);
  const auto second = host->in(kIn1, 512);
  held.stall();
  EXPECT_EQ(host->outcome(first).status, Status::Stalled);
  EXPECT_EQ(host->outcome(second).status, Status::Stalled);
}

TEST_F(EmulatedDeviceTest, LendsConstantDataWithoutCopying) {
  ConstantData data(counting(64));
  plug({bulk_in(1, [&](InTransfer t) { t.send(data, 64); })});
  struct Sink final : usb::CompletionSink {
    void on_completed(usb::Urb urb, std::uint64_t) override { seen = urb->payload.data(); }
    std::byte* seen = nullptr;
  } sink;
  auto urb = usb::Urb::create();
  urb->endpoint = kIn1;
  urb->type = usb::TransferType::Bulk;
  urb->length = 64;
  urb.push_sink(sink);
  device->submit(std::move(urb));
  EXPECT_EQ(sink.seen, data.bytes().data());
}

TEST_F(EmulatedDeviceTest, FillsTheMemoryThatTheSubmitterGave) {
  ConstantData data(counting(64));
  plug({bulk_in(1, [&](InTransfer t) { t.send(data, 64); })});
  auto urb = usb::Urb::create();
  urb->endpoint = kIn1;
  urb->type = usb::TransferType::Bulk;
  urb->length = 64;
  urb->payload = device->allocate(64);
  const auto id = host->submit(std::move(urb));
  EXPECT_EQ(host->outcome(id).data, counting(64));
}

TEST_F(EmulatedDeviceTest, LetsTheEventLoopRunBetweenEndlessResubmissions) {
  plug({bulk_in(1, [](InTransfer t) { t.send(counting(1)); })});
  host->then = [&](std::uint64_t) {
    if (host->completions().size() < 1000) host->in(kIn1, 512);
  };
  host->in(kIn1, 512);
  EXPECT_LE(host->completions().size(), EmulatedDevice::kInlineBudget + 1U);
  timers.advance(0ns);
  EXPECT_EQ(host->completions().size(), 1000U);
}

TEST_F(EmulatedDeviceTest, RefusesATransferBeyondItsLimit) {
  plug({bulk_in(1, [](InTransfer t) { t.send(counting(1)); })});
  const auto id = host->in(kIn1, EmulatedDevice::kMaxTransferLength + 1);
  EXPECT_EQ(host->outcome(id).status, Status::NoMemory);
}

TEST_F(EmulatedDeviceTest, AWaitingTransferTakesNoPayloadMemory) {
  plug({bulk_in(1, {})});
  auto urb = usb::Urb::create();
  urb->endpoint = kIn1;
  urb->type = usb::TransferType::Bulk;
  urb->length = 65536;
  const auto handle = urb.handle();
  host->submit(std::move(urb));
  ASSERT_EQ(host->pending(), 1U);
  EXPECT_FALSE(handle->payload);
}

// --- Control -------------------------------------------------------------------------------------

TEST_F(EmulatedDeviceTest, CutsControlDataAtWLength) {
  auto declaration = with_endpoints({});
  declaration.requests = {vendor_in(1, [](ControlTransfer t) { t.send(counting(100)); })};
  plug(std::move(declaration), Speed::High);
  const auto id = host->control({0xc0, 1, 0, 0, 10});
  EXPECT_EQ(host->outcome(id).data, counting(10));
}

TEST_F(EmulatedDeviceTest, GivesControlOutDataToItsHandler) {
  std::vector<std::byte> seen;
  auto declaration = with_endpoints({});
  declaration.requests = {vendor_out(1, [&](ControlTransfer t) {
    const auto data = t.data();
    seen.assign(data.begin(), data.end());
    t.accept();
  })};
  plug(std::move(declaration), Speed::High);
  const auto id = host->control({0x40, 1, 0, 0, 10}, counting(10));
  EXPECT_EQ(seen, counting(10));
  EXPECT_EQ(host->outcome(id).actual_length, 10U);
}

TEST_F(EmulatedDeviceTest, StallsARequestThatNobodyUnderstands) {
  plug({});
  EXPECT_EQ(host->outcome(host->control({0xc0, 9, 0, 0, 1})).status, Status::Stalled);
}

TEST_F(EmulatedDeviceTest, PrefersTheHandlerOfTheRequestsRecipient) {
  auto declaration = with_endpoints({});
  declaration.configurations[0].interfaces[0].requests = {
      class_in(1, [](ControlTransfer t) { t.send(counting(1)); })};
  declaration.requests = {class_in(1, [](ControlTransfer t) { t.send(counting(2)); })};
  plug(std::move(declaration), Speed::High);
  EXPECT_EQ(host->outcome(host->control({0xa1, 1, 0, 0, 8})).actual_length, 1U);
  EXPECT_EQ(host->outcome(host->control({0xa0, 1, 0, 0, 8})).actual_length, 2U);
}

TEST_F(EmulatedDeviceTest, RefusesAControlUrbWhoseLengthIsNotWLength) {
  plug({});
  auto urb = usb::Urb::create();
  urb->endpoint = EndpointAddress(0x80);
  urb->setup = SetupPacket::get_descriptor(1, 0, 18);
  urb->length = 10;
  const auto id = host->submit(std::move(urb));
  EXPECT_EQ(host->outcome(id).status, Status::BadLength);
}

TEST_F(EmulatedDeviceTest, ResetOvertakesAControlRequestThatIsHeld) {
  ControlTransfer held;
  auto declaration = with_endpoints({});
  declaration.requests = {vendor_in(1, [&](ControlTransfer t) { held = std::move(t); })};
  plug(std::move(declaration), Speed::High);
  const auto request = host->control({0xc0, 1, 0, 0, 10});
  const auto reset = host->control(SetupPacket::port_reset());
  EXPECT_EQ(host->outcome(request).status, Status::Cancelled);
  EXPECT_EQ(host->outcome(reset).status, Status::Ok);
  EXPECT_FALSE(held.pending());
}

}  // namespace
}  // namespace periprox::emulated

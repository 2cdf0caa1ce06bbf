#include "periprox/usb/urb.hpp"

#include <functional>
#include <memory>
#include <vector>

#include <gmock/gmock.h>

namespace periprox::usb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Notes every completion, and then does with the URB what the test says (drops it by default).
class RecordingSink final : public CompletionSink {
 public:
  void on_completed(Urb urb, std::uint64_t cookie) override {
    cookies.push_back(cookie);
    statuses.push_back(urb->status);
    lengths.push_back(urb->actual_length);
    if (then) then(std::move(urb));
  }

  std::vector<std::uint64_t> cookies;
  std::vector<Status> statuses;
  std::vector<std::uint32_t> lengths;
  std::function<void(Urb)> then;
};

void hand_on(Urb urb) { urb.complete(); }

TEST(Urb, HoldsNothingByDefault) { EXPECT_FALSE(Urb()); }

TEST(Urb, CompletesToItsSinkWithItsOutcome) {
  RecordingSink sink;
  auto urb = Urb::create();
  urb.push_sink(sink, 42);
  urb.complete(Status::Stalled, 7);
  EXPECT_FALSE(urb);
  EXPECT_THAT(sink.cookies, ElementsAre(42));
  EXPECT_THAT(sink.statuses, ElementsAre(Status::Stalled));
  EXPECT_THAT(sink.lengths, ElementsAre(7));
}

TEST(Urb, CompletesOnceAlthoughItIsDroppedAfterwards) {
  RecordingSink sink;
  {
    auto urb = Urb::create();
    urb.push_sink(sink);
    urb.complete(Status::Ok, 0);
  }
  EXPECT_THAT(sink.statuses, ElementsAre(Status::Ok));
}

TEST(Urb, CompletesAsCancelledWhenDropped) {
  RecordingSink sink;
  {
    auto urb = Urb::create();
    urb->actual_length = 9;
    urb.push_sink(sink);
  }
  EXPECT_THAT(sink.statuses, ElementsAre(Status::Cancelled));
  EXPECT_THAT(sink.lengths, ElementsAre(0));
}

TEST(Urb, CompletesAsCancelledWhenAssignedTo) {
  RecordingSink sink;
  auto urb = Urb::create();
  urb.push_sink(sink);
  urb = Urb();
  EXPECT_THAT(sink.statuses, ElementsAre(Status::Cancelled));
}

TEST(Urb, DoesNotCompleteWhenMoved) {
  RecordingSink sink;
  auto urb = Urb::create();
  urb.push_sink(sink);
  auto moved = std::move(urb);
  EXPECT_FALSE(urb);  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_THAT(sink.statuses, IsEmpty());
  moved.complete(Status::Ok, 1);
  EXPECT_THAT(sink.statuses, ElementsAre(Status::Ok));
}

TEST(Urb, SurvivesAssignmentToItself) {
  RecordingSink sink;
  auto urb = Urb::create();
  urb.push_sink(sink);
  auto& same = urb;
  urb = std::move(same);
  EXPECT_TRUE(urb);
  EXPECT_THAT(sink.statuses, IsEmpty());
}

TEST(Urb, ComesBackThroughItsSinksLastPushedFirst) {
  std::vector<int> order;
  RecordingSink submitter;
  RecordingSink stage;
  submitter.then = [&](Urb) { order.push_back(1); };
  stage.then = [&](Urb urb) {
    order.push_back(2);
    hand_on(std::move(urb));
  };
  auto urb = Urb::create();
  urb.push_sink(submitter, 1);
  urb.push_sink(stage, 2);
  urb.complete(Status::Ok, 3);
  EXPECT_THAT(order, ElementsAre(2, 1));
  EXPECT_THAT(submitter.cookies, ElementsAre(1));
  EXPECT_THAT(stage.cookies, ElementsAre(2));
}

TEST(Urb, LetsAStageChangeTheOutcomeOnItsWayBack) {
  RecordingSink submitter;
  RecordingSink stage;
  stage.then = [](Urb urb) { urb.complete(Status::TimedOut, 0); };
  auto urb = Urb::create();
  urb.push_sink(submitter);
  urb.push_sink(stage);
  urb.complete(Status::Ok, 3);
  EXPECT_THAT(submitter.statuses, ElementsAre(Status::TimedOut));
}

TEST(Urb, ReachesTheSubmitterAlthoughAStageDropsIt) {
  RecordingSink submitter;
  RecordingSink stage;
  auto urb = Urb::create();
  urb.push_sink(submitter);
  urb.push_sink(stage);
  urb.complete(Status::Ok, 3);
  EXPECT_THAT(submitter.statuses, ElementsAre(Status::Cancelled));
}

TEST(Urb, MayBeSubmittedAgainFromItsCompletion) {
  RecordingSink first;
  RecordingSink second;
  first.then = [&](Urb urb) {
    urb.push_sink(second, 5);
    urb.complete(Status::Ok, 1);
  };
  auto urb = Urb::create();
  urb.push_sink(first);
  urb.complete(Status::Stalled, 0);
  EXPECT_THAT(second.statuses, ElementsAre(Status::Ok));
}

TEST(Urb, TakesTheSameSinkTwice) {
  RecordingSink sink;
  sink.then = hand_on;
  auto urb = Urb::create();
  urb.push_sink(sink, 1);
  urb.push_sink(sink, 2);
  urb.complete(Status::Ok, 0);
  EXPECT_THAT(sink.cookies, ElementsAre(2, 1));
}

TEST(UrbDeathTest, AbortsWhenMoreSinksArePushedThanAChainCanHave) {
  RecordingSink sink;
  sink.then = hand_on;
  auto urb = Urb::create();
  for (int i = 0; i < 8; ++i) urb.push_sink(sink);
  EXPECT_DEATH(urb.push_sink(sink), "");
}

TEST(UrbHandle, NamesItsUrbWhereverThatGoes) {
  auto urb = Urb::create();
  urb->length = 12;
  const auto handle = urb.handle();
  const auto moved = std::move(urb);
  EXPECT_EQ(handle, moved.handle());
  EXPECT_EQ(handle->length, 12U);
  EXPECT_FALSE(UrbHandle());
}

TEST(UrbHandle, CarriesTheNoteOfTheDevice) {
  auto urb = Urb::create();
  const auto handle = urb.handle();
  urb.set_device_note(77);
  EXPECT_EQ(handle.device_note(), 77U);
}

TEST(UrbHandle, TakesASinkOffTheWayBack) {
  RecordingSink submitter;
  RecordingSink stage;
  stage.then = hand_on;
  auto urb = Urb::create();
  urb.push_sink(submitter);
  urb.push_sink(stage);
  urb.handle().forget_sink(submitter);
  urb.complete(Status::Ok, 0);
  EXPECT_THAT(stage.statuses, ElementsAre(Status::Ok));
  EXPECT_THAT(submitter.statuses, IsEmpty());
}

TEST(UrbHandle, LeavesTheOthersWhenOneSinkIsForgotten) {
  RecordingSink submitter;
  RecordingSink stage;
  auto urb = Urb::create();
  urb.push_sink(submitter);
  urb.push_sink(stage);
  urb.handle().forget_sink(stage);
  urb.complete(Status::Ok, 4);
  EXPECT_THAT(stage.statuses, IsEmpty());
  EXPECT_THAT(submitter.statuses, ElementsAre(Status::Ok));
}

TEST(UrbHandle, LetsAnUrbWithoutSinksBeDropped) {
  RecordingSink sink;
  UrbPool pool;
  auto urb = pool.take();
  urb.push_sink(sink);
  urb.handle().forget_sink(sink);
  urb = Urb();
  EXPECT_THAT(sink.statuses, IsEmpty());
}

TEST(UrbPool, ReusesRecords) {
  UrbPool pool;
  auto urb = pool.take();
  const auto handle = urb.handle();
  urb = Urb();
  EXPECT_EQ(pool.take().handle(), handle);
}

TEST(UrbPool, DoesNotHandTheSameRecordOutTwice) {
  UrbPool pool;
  const auto a = pool.take();
  const auto b = pool.take();
  EXPECT_NE(a.handle(), b.handle());
}

TEST(UrbPool, HandsOutRecordsLikeNew) {
  PayloadPool payloads;
  UrbPool pool;
  auto used = pool.take();
  used->endpoint = EndpointAddress(0x81);
  used->type = TransferType::Isochronous;
  used->flags.short_not_ok = true;
  used->length = 64;
  used->actual_length = 3;
  used->payload = payloads.allocate(64);
  used->iso_packets.resize(4);
  used->stream_id = 2;
  used->status = Status::Babble;
  used.set_device_note(9);
  used = Urb();
  EXPECT_EQ(payloads.bytes_in_use(), 0U);

  const auto urb = pool.take();
  EXPECT_EQ(urb->endpoint, EndpointAddress());
  EXPECT_EQ(urb->type, TransferType::Control);
  EXPECT_EQ(urb->flags, TransferFlags{});
  EXPECT_EQ(urb->length, 0U);
  EXPECT_EQ(urb->actual_length, 0U);
  EXPECT_FALSE(urb->payload);
  EXPECT_THAT(urb->iso_packets, IsEmpty());
  EXPECT_EQ(urb->stream_id, 0);
  EXPECT_EQ(urb->status, Status::Ok);
  EXPECT_EQ(urb.handle().device_note(), 0U);
}

TEST(UrbPool, KeepsTheMemoryOfThePacketList) {
  UrbPool pool;
  auto urb = pool.take();
  urb->iso_packets.resize(32);
  urb = Urb();
  EXPECT_GE(pool.take()->iso_packets.capacity(), 32U);
}

TEST(UrbPool, MayGoBeforeItsUrbs) {
  RecordingSink sink;
  auto pool = std::make_unique<UrbPool>();
  auto completed = pool->take();
  auto dropped = pool->take();
  completed.push_sink(sink);
  dropped.push_sink(sink);
  pool.reset();
  completed.complete(Status::Ok, 0);
  dropped = Urb();
  EXPECT_THAT(sink.statuses, ElementsAre(Status::Ok, Status::Cancelled));
}

TEST(UrbPool, TakesBackAnUrbThatGoesInItsOwnCompletion) {
  UrbPool pool;
  RecordingSink sink;
  Urb next;
  sink.then = [&](Urb urb) {
    urb = Urb();
    next = pool.take();
  };
  auto urb = pool.take();
  urb.push_sink(sink);
  const auto handle = urb.handle();
  urb.complete(Status::Ok, 0);
  EXPECT_EQ(next.handle(), handle);
}

TEST(UrbData, ShowsWhatWasGivenForOut) {
  PayloadPool payloads;
  UrbData data;
  data.endpoint = EndpointAddress(0x01);
  data.length = 10;
  data.actual_length = 4;
  EXPECT_TRUE(data.data().empty());
  data.payload = payloads.allocate(10);
  EXPECT_EQ(data.data().size(), 10U);
}

TEST(UrbData, ShowsWhatCameForIn) {
  PayloadPool payloads;
  UrbData data;
  data.endpoint = EndpointAddress(0x81);
  data.length = 10;
  data.actual_length = 4;
  data.payload = payloads.allocate(10);
  EXPECT_EQ(data.data().size(), 4U);
  EXPECT_EQ(data.data().data(), data.payload.data());
}

TEST(TransferTypeName, IsTheWordOfTheStandard) {
  EXPECT_EQ(transfer_type_name(TransferType::Control), "control");
  EXPECT_EQ(transfer_type_name(TransferType::Isochronous), "isochronous");
  EXPECT_EQ(transfer_type_name(TransferType::Bulk), "bulk");
  EXPECT_EQ(transfer_type_name(TransferType::Interrupt), "interrupt");
}

}  // namespace
}  // namespace periprox::usb

#include "periprox/recorded/recorded_device.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <sstream>

#include "periprox/base/simulated_timers.hpp"
#include "periprox/usb/device_contract_testing.hpp"
#include "periprox/usb/hex_text.hpp"
#include "periprox/usb/test_host.hpp"

namespace periprox::recorded {
namespace {

using namespace std::chrono_literals;
using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::TransferType;
using usb::testing::TestHost;

const EndpointAddress kIn(0x81);
const EndpointAddress kOut(0x01);

usb::DeviceModel model() {
  usb::AlternateSetting setting;
  setting.descriptor.bInterfaceClass = 0xff;
  for (const std::uint8_t address : {0x81, 0x01, 0x82}) {
    usb::EndpointDescriptor endpoint;
    endpoint.bEndpointAddress = address;
    endpoint.bmAttributes = address == 0x82 ? 3 : 2;
    endpoint.wMaxPacketSize = address == 0x82 ? 8 : 512;
    endpoint.bInterval = address == 0x82 ? 4 : 0;
    setting.endpoints.push_back({.descriptor = endpoint});
  }
  usb::Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  configuration.interfaces.push_back({.number = 0, .alternate_settings = {setting}});
  usb::DeviceDescriptor descriptor;
  descriptor.idVendor = 0x1209;
  descriptor.idProduct = 1;
  descriptor.bNumConfigurations = 1;
  usb::DeviceModel result(usb::Speed::High, descriptor, {configuration});
  result.set_configuration(1);
  return result;
}

/// Builds recordings a transfer at a time.
class Tape {
 public:
  Tape() { recording.model = model(); }
  Tape& in(std::string_view data, Duration after = 1ms, Status status = Status::Ok) {
    return add({.type = TransferType::Bulk, .endpoint = kIn}, data, after, status);
  }
  Tape& out(std::string_view data, Duration after = 1ms) {
    return add({.type = TransferType::Bulk, .endpoint = kOut}, data, after, Status::Ok);
  }
  Tape& request(const SetupPacket& setup, std::string_view data, Status status = Status::Ok) {
    return add({.endpoint = EndpointAddress(setup.is_in() ? 0x80 : 0), .setup = setup}, data, 1ms,
               status);
  }
  Recording recording;

 private:
  Tape& add(TracedTransfer transfer, std::string_view data, Duration after, Status status) {
    const auto bytes = bytes_of_text(data);
    transfer.submitted = now_;
    now_ += static_cast<std::uint64_t>(after.count());
    transfer.completed = now_;
    transfer.status = status;
    transfer.length = transfer.actual_length = static_cast<std::uint32_t>(data.size());
    transfer.data.assign(bytes.begin(), bytes.end());
    recording.add(transfer);
    return *this;
  }
  std::uint64_t now_ = 1000;
};

SetupPacket vendor_in(std::uint16_t value, std::uint16_t length) {
  return {0xc0, 0x10, value, 0, length};
}
SetupPacket vendor_out(std::uint16_t value, std::uint16_t length) {
  return {0x40, 0x11, value, 0, length};
}

class RecordedDeviceTest : public ::testing::Test {
 protected:
  void play(Recording recording, double speed_up = 0, OnMiss on_miss = OnMiss::Nearest) {
    host.reset();
    misses.clear();
    device = std::make_unique<RecordedDevice>(
        std::move(recording),
        PlayOptions{.speed_up = speed_up,
                    .on_miss = on_miss,
                    .diverged = [this](const std::string& what) { misses.push_back(what); }},
        timers);
    host = std::make_unique<TestHost>(*device);
  }
  std::string data_of(std::uint64_t id) const {
    const auto data = host->outcome(id).data;
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
  std::string ask(const SetupPacket& setup, std::string_view out = {}) {
    const auto id = host->control(setup, bytes_of_text(out));
    timers.advance(1s);
    const auto outcome = host->outcome(id);
    return outcome.status == Status::Ok ? data_of(id)
                                        : std::string(usb::status_name(outcome.status));
  }

  SimulatedTimers timers;
  std::vector<std::string> misses;
  std::unique_ptr<RecordedDevice> device;
  std::unique_ptr<TestHost> host;
};

TEST_F(RecordedDeviceTest, GivesTheSameAnswersInTheirOrderAndTheLastForEver) {
  play(Tape()
           .request(vendor_in(1, 8), "one")
           .request(vendor_in(2, 8), "other")
           .request(vendor_in(1, 8), "two")
           .recording);
  EXPECT_EQ(ask(vendor_in(1, 8)), "one");
  EXPECT_EQ(ask(vendor_in(1, 8)), "two");
  EXPECT_EQ(ask(vendor_in(1, 8)), "two");
  EXPECT_EQ(ask(vendor_in(2, 8)), "other");
  EXPECT_TRUE(misses.empty());
}

TEST_F(RecordedDeviceTest, OutRequestsAreMatchedByTheirData) {
  play(Tape()
           .request(vendor_out(1, 2), "ab")
           .request(vendor_out(1, 2), "cd", Status::Stalled)
           .recording);
  EXPECT_EQ(ask(vendor_out(1, 2), "cd"), "stalled");
  EXPECT_EQ(ask(vendor_out(1, 2), "ab"), "");
  EXPECT_TRUE(misses.empty());
}

TEST_F(RecordedDeviceTest, AShorterReadIsTheSameQuestion) {
  play(Tape().request(vendor_in(1, 64), "something").recording);
  EXPECT_EQ(ask(vendor_in(1, 4)), "some");
  EXPECT_TRUE(misses.empty());
}

TEST_F(RecordedDeviceTest, DescriptorsComeFromWhatIsKnown) {
  play(Tape().recording);
  EXPECT_EQ(ask(SetupPacket::get_descriptor(1, 0, 18)).size(), 18U);
  EXPECT_EQ(ask(SetupPacket::get_descriptor(2, 0, 9)).size(), 9U);
  EXPECT_EQ(ask(SetupPacket::get_descriptor(6, 0, 10)), "stalled");
  EXPECT_TRUE(misses.empty());
}

TEST_F(RecordedDeviceTest, NearestAnswersWhatWasNeverAsked) {
  play(Tape().request(vendor_in(1, 8), "one").request(vendor_in(5, 8), "five").recording);
  EXPECT_EQ(ask(vendor_in(7, 8)), "one");
  ASSERT_EQ(misses.size(), 1U);
  EXPECT_NE(misses[0].find("vendor request 0x10 wValue 0x0007"), std::string::npos);
}

TEST_F(RecordedDeviceTest, StallAnswersWhatWasNeverAsked) {
  play(Tape().request(vendor_in(1, 8), "one").recording, 0, OnMiss::Stall);
  EXPECT_EQ(ask(vendor_in(7, 8)), "stalled");
  EXPECT_EQ(ask(vendor_in(1, 8)), "one");
}

TEST_F(RecordedDeviceTest, StopMakesTheDeviceGoAway) {
  play(Tape().request(vendor_in(1, 8), "one").recording, 0, OnMiss::Stop);
  bool gone = false;
  device->on_gone([&] { gone = host->pending() == 0; });
  const auto waiting = host->in(kIn, 8);
  EXPECT_EQ(ask(vendor_in(7, 8)), "device gone");
  EXPECT_EQ(host->outcome(waiting).status, Status::DeviceGone);
  EXPECT_TRUE(gone);
}

TEST_F(RecordedDeviceTest, EndpointsPlayInOrderThenFallSilent) {
  play(Tape().in("first").in("second").recording);
  const auto first = host->in(kIn, 64);
  const auto second = host->in(kIn, 64);
  const auto third = host->in(kIn, 64);
  timers.advance(1h);
  EXPECT_EQ(data_of(first), "first");
  EXPECT_EQ(data_of(second), "second");
  EXPECT_EQ(host->times_completed(third), 0U);
}

TEST_F(RecordedDeviceTest, AnAnswerWaitsForItsQuestion) {
  play(Tape().in("hello").out("question").in("answer").recording);
  host->in(kIn, 64);
  const auto answer = host->in(kIn, 64);
  timers.advance(1h);
  EXPECT_EQ(host->times_completed(answer), 0U);
  host->out(kOut, bytes_of_text("question"));
  timers.advance(1ms);
  EXPECT_EQ(data_of(answer), "answer");
  EXPECT_TRUE(misses.empty());
}

TEST_F(RecordedDeviceTest, QuestionsInAnotherOrderGetTheirOwnAnswers) {
  play(Tape().out("a?").in("a!").out("b?").in("b!").recording);
  host->out(kOut, bytes_of_text("b?"));
  const auto b = host->in(kIn, 64);
  timers.advance(1ms);
  EXPECT_EQ(data_of(b), "b!");
  host->out(kOut, bytes_of_text("a?"));
  const auto a = host->in(kIn, 64);
  timers.advance(1ms);
  EXPECT_EQ(data_of(a), "a!");
  EXPECT_EQ(misses.size(), 2U);
}

TEST_F(RecordedDeviceTest, SmallerReadsGetThePieces) {
  play(Tape().in("abcdef").recording);
  const auto one = host->in(kIn, 4);
  const auto two = host->in(kIn, 4);
  timers.advance(1ms);
  EXPECT_EQ(data_of(one), "abcd");
  EXPECT_EQ(data_of(two), "ef");
}

TEST_F(RecordedDeviceTest, ErrorsOfTheDeviceArePlayedAndThoseOfTheHostAreNot) {
  play(Tape().in("", 1ms, Status::Cancelled).in("", 1ms, Status::Stalled).in("after").recording);
  const auto first = host->in(kIn, 8);
  const auto second = host->in(kIn, 8);
  timers.advance(1ms);
  EXPECT_EQ(host->outcome(first).status, Status::Stalled);
  EXPECT_EQ(data_of(second), "after");
}

TEST_F(RecordedDeviceTest, TakesTheTimeItTookOrAFractionOfIt) {
  play(Tape().in("slow", 100ms).in("quick", 10ms).recording, 1);
  const auto slow = host->in(kIn, 8);
  const auto quick = host->in(kIn, 8);
  timers.advance(99ms);
  EXPECT_EQ(host->times_completed(slow), 0U);
  timers.advance(1ms);
  EXPECT_EQ(host->times_completed(slow), 1U);
  EXPECT_EQ(host->times_completed(quick), 0U);
  timers.advance(10ms);
  EXPECT_EQ(host->times_completed(quick), 1U);

  play(Tape().in("slow", 100ms).recording, 10);
  const auto ten_times = host->in(kIn, 8);
  timers.advance(10ms);
  EXPECT_EQ(host->times_completed(ten_times), 1U);
}

/// Everything that a host sees of one run, as text.
std::string run_of_a_host(std::uint32_t seed) {
  Tape tape;
  for (int i = 0; i < 50; ++i) {
    tape.out("q" + std::to_string(i)).in("a" + std::to_string(i), std::chrono::microseconds(i * 7));
    tape.request(vendor_in(static_cast<std::uint16_t>(i % 5), 8), std::to_string(i));
  }
  SimulatedTimers timers;
  std::ostringstream seen;
  RecordedDevice device(
      tape.recording, {.diverged = [&](const std::string& what) { seen << what << '\n'; }}, timers);
  TestHost host(device);
  std::uint32_t state = seed;
  for (int i = 0; i < 400; ++i) {
    state = state * 1664525 + 1013904223;
    const auto pick = state >> 16;
    if (pick % 4 == 0) host.in(kIn, pick % 7 + 1);
    if (pick % 4 == 1) host.out(kOut, bytes_of_text("q" + std::to_string(pick % 60)));
    if (pick % 4 == 2) host.control(vendor_in(static_cast<std::uint16_t>(pick % 8), 8));
    if (pick % 4 == 3) timers.advance(std::chrono::microseconds(pick % 500));
  }
  timers.advance(1s);
  for (const auto& completion : host.completions()) {
    seen << completion.id << ' ' << usb::status_name(completion.status) << ' '
         << usb::hex_bytes(completion.data) << '\n';
  }
  return seen.str();
}

TEST_F(RecordedDeviceTest, TheSameHostSeesTheSameBytesInTheSameOrder) {
  const auto first = run_of_a_host(1);
  EXPECT_GT(first.size(), 2000U);
  EXPECT_EQ(first, run_of_a_host(1));
  EXPECT_NE(first, run_of_a_host(2));
}

TEST_F(RecordedDeviceTest, IsochronousPacketsComeOneByOne) {
  auto tape = Tape();
  usb::EndpointDescriptor endpoint;
  endpoint.bEndpointAddress = 0x83;
  endpoint.bmAttributes = 1;
  endpoint.wMaxPacketSize = 16;
  endpoint.bInterval = 1;
  auto configuration = tape.recording.model.configurations().front();
  configuration.interfaces[0].alternate_settings[0].endpoints.push_back({.descriptor = endpoint});
  tape.recording.model = usb::DeviceModel(usb::Speed::High, model().descriptor(), {configuration});
  tape.recording.model.set_configuration(1);
  TracedTransfer transfer{.type = TransferType::Isochronous, .endpoint = EndpointAddress(0x83)};
  transfer.status = Status::Ok;
  const auto bytes = bytes_of_text("abc.....de");
  transfer.data.assign(bytes.begin(), bytes.end());
  transfer.iso_packets = {{.offset = 0, .length = 8, .actual_length = 3},
                          {.offset = 8, .length = 8, .actual_length = 2}};
  tape.recording.add(transfer);
  play(tape.recording);
  const auto id = host->isochronous(EndpointAddress(0x83), 3, 16);
  timers.advance(1ms);
  EXPECT_EQ(data_of(id), "abcde");
  EXPECT_EQ(host->outcome(id).packets[2].actual_length, 0U);
}

}  // namespace
}  // namespace periprox::recorded

namespace periprox::usb::testing {
namespace {

DeviceRig make_recorded_rig() {
  auto timers = std::make_shared<SimulatedTimers>();
  recorded::Tape tape;
  for (int i = 0; i < 1000; ++i) tape.in(std::string(64, 'x'), Duration(0));
  return {.keep = timers,
          .device = std::make_unique<recorded::RecordedDevice>(
              tape.recording, recorded::PlayOptions{.speed_up = 0}, *timers),
          .bulk_in = recorded::kIn,
          .bulk_out = recorded::kOut,
          .silent_in = EndpointAddress(0x82),
          .run = [timers] { timers->advance(std::chrono::milliseconds(10)); }};
}

INSTANTIATE_TEST_SUITE_P(Recorded, DeviceContract, ::testing::Values(&make_recorded_rig));

}  // namespace
}  // namespace periprox::usb::testing

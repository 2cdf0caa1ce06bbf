#include "periprox/host/blocking.hpp"

#include <gtest/gtest.h>

#include "periprox/emulated/catalog.hpp"
#include "periprox/host/read_strings.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using usb::EndpointAddress;
using usb::Status;

struct Rig {
  explicit Rig(std::string_view name, const emulated::Settings& settings = {})
      : device(emulated::create(name, settings, loop).value()), host(loop, *device) {}
  Loop loop;
  std::unique_ptr<usb::Device> device;
  Blocking host;
};

TEST(Blocking, ReturnsTheOutcomeOfAControlRequest) {
  Rig rig("zero");
  const auto outcome = rig.host.control(usb::SetupPacket::get_descriptor(1, 0, 18), {}, seconds(5));
  EXPECT_EQ(outcome.status, Status::Ok);
  EXPECT_EQ(outcome.data.size(), 18U);
}

TEST(Blocking, WaitsForDataThatComesLater) {
  Rig rig("go_temp", {{"period_ms", "20"}});
  const auto outcome = rig.host.in(EndpointAddress(0x81), 8, seconds(30));
  EXPECT_EQ(outcome.status, Status::Ok);
  EXPECT_EQ(outcome.data.size(), 8U);
}

TEST(Blocking, TimesOutWhenNoDataComes) {
  Rig rig("go_temp", {{"period_ms", "60000"}});
  // The first packet may be there at once.
  rig.host.in(EndpointAddress(0x81), 8, milliseconds(20));
  const auto outcome = rig.host.in(EndpointAddress(0x81), 8, milliseconds(20));
  EXPECT_EQ(outcome.status, Status::TimedOut);
}

TEST(Blocking, AnInterruptEndsTheTransferAndAllLaterOnes) {
  Rig rig("go_temp", {{"period_ms", "60000"}});
  rig.host.in(EndpointAddress(0x81), 8, milliseconds(20));
  rig.loop.post([&] { rig.host.interrupt(); });
  EXPECT_EQ(rig.host.in(EndpointAddress(0x81), 8, seconds(60)).status, Status::Cancelled);
  EXPECT_TRUE(rig.host.interrupted());
  EXPECT_EQ(rig.host.in(EndpointAddress(0x81), 8, seconds(60)).status, Status::Cancelled);
}

TEST(ReadStrings, ReadsEveryStringThatADescriptorPointsTo) {
  Rig rig("zero", {{"serial", "A1"}});
  const auto strings = read_strings(rig.host, seconds(5));
  const auto& descriptor = rig.device->model().descriptor();
  EXPECT_EQ(strings.at(descriptor.iSerialNumber), "A1");
  EXPECT_EQ(strings.at(descriptor.iProduct), rig.device->model().product);
  EXPECT_FALSE(strings.contains(0));
}

TEST(ReadStrings, IsEmptyWhenNothingCanBeRead) {
  Rig rig("zero");
  rig.host.interrupt();
  EXPECT_TRUE(read_strings(rig.host, seconds(5)).empty());
}

}  // namespace
}  // namespace periprox::host

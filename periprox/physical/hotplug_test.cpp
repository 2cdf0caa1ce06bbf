#include "periprox/physical/hotplug.hpp"

#include <gmock/gmock.h>

#include "periprox/loop/loop.hpp"
#include "periprox/physical/machine_testing.hpp"

namespace periprox::physical {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Presence, TellsWhatCameAndWent) {
  const auto change =
      compare_presence({{"1-1", 1, 2}, {"1-2", 1, 3}}, {{"1-2", 1, 3}, {"1-3", 1, 4}});
  EXPECT_THAT(change.removed, ElementsAre(DevicePresence{"1-1", 1, 2}));
  EXPECT_THAT(change.added, ElementsAre(DevicePresence{"1-3", 1, 4}));
}

TEST(Presence, ADeviceThatWasReplacedWentAndCame) {
  const auto change = compare_presence({{"1-1", 1, 2}}, {{"1-1", 1, 3}});
  EXPECT_THAT(change.removed, ElementsAre(DevicePresence{"1-1", 1, 2}));
  EXPECT_THAT(change.added, ElementsAre(DevicePresence{"1-1", 1, 3}));
}

TEST(Presence, OmitsDevicesThatTheKernelIsStillSettingUp) {
  FakeMachine machine;
  const auto folder = machine.add_device("1-1", "");
  EXPECT_THAT(present_devices(machine.paths), ElementsAre(DevicePresence{"1-1", 1, 5}));
  std::filesystem::remove(folder / "driver");
  EXPECT_THAT(present_devices(machine.paths), IsEmpty());
}

class HotplugPollingTest : public testing::Test {
 protected:
  void run_until(std::size_t events) {
    loop_.run_until([&] { return log_.size() >= events; });
  }

  FakeMachine machine_;
  Loop loop_;
  std::vector<std::string> log_;
  std::unique_ptr<Hotplug> hotplug_;

  void watch() {
    hotplug_ = std::make_unique<Hotplug>(
        loop_, machine_.paths, [this](const auto& device) { log_.push_back("+" + device.busid); },
        [this](const auto& device) { log_.push_back("-" + device.busid); },
        HotplugOptions{HotplugOptions::Source::PollSysfs, std::chrono::milliseconds(1)});
  }
};

TEST_F(HotplugPollingTest, ReportsWhatIsThereAlready) {
  machine_.add_device("1-1", "");
  watch();
  EXPECT_FALSE(hotplug_->listens_to_kernel());
  run_until(1);
  EXPECT_THAT(log_, ElementsAre("+1-1"));
}

TEST_F(HotplugPollingTest, ReportsWhatComesAndGoes) {
  watch();
  (void)loop_.poll();
  machine_.add_device("1-1", "");
  run_until(1);
  machine_.remove_device("1-1");
  run_until(2);
  EXPECT_THAT(log_, ElementsAre("+1-1", "-1-1"));
}

TEST_F(HotplugPollingTest, EndsWhenDestroyedByItsHandler) {
  machine_.add_device("1-1", "");
  machine_.add_device("1-2", "");
  hotplug_ = std::make_unique<Hotplug>(
      loop_, machine_.paths,
      [this](const auto& device) {
        log_.push_back(device.busid);
        hotplug_.reset();
      },
      [](const auto&) {},
      HotplugOptions{HotplugOptions::Source::PollSysfs, std::chrono::milliseconds(1)});
  loop_.run();
  EXPECT_THAT(log_, ElementsAre("1-1"));
}

}  // namespace
}  // namespace periprox::physical

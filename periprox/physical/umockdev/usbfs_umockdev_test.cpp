// The real calls of usbfs against a mocked device node: what the ioctls look like, from opening a
// device in the mocked /sys to giving it back. umockdev redirects /sys, /dev and ioctl() by
// LD_PRELOAD, so this program is run by umockdev-wrapper.
#include <gmock/gmock.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <umockdev.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "periprox/loop/loop.hpp"
#include "periprox/physical/machine_testing.hpp"
#include "periprox/physical/open_device.hpp"

namespace periprox::physical {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using usb::SetupPacket;
using usb::Status;

/// Answers ioctls in the thread of the mock; it shares this process, so arguments are plain
/// pointers.
class MockedNode {
 public:
  /// What usbfs would answer: 0 or more, or a negative errno.
  long answer(unsigned long request, void* argument) {
    const std::lock_guard lock(mutex_);
    if (const auto error = errors.find(request); error != errors.end()) {
      calls_.push_back(name(request) + "!");
      return -error->second;
    }
    switch (request) {
      case USBDEVFS_GET_CAPABILITIES:
        *static_cast<std::uint32_t*>(argument) = USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
        return 0;
      case USBDEVFS_SUBMITURB:
        return submit(static_cast<usbdevfs_urb*>(argument));
      case USBDEVFS_REAPURBNDELAY:
        return reap(static_cast<usbdevfs_urb**>(argument));
      case USBDEVFS_DISCARDURB:
        return discard(static_cast<usbdevfs_urb*>(argument));
      case USBDEVFS_CLAIMINTERFACE:
        calls_.push_back("claim " + number(argument));
        return driver.empty() ? 0 : -EBUSY;
      case USBDEVFS_DISCONNECT_CLAIM: {
        const auto* claim = static_cast<usbdevfs_disconnect_claim*>(argument);
        calls_.push_back("disconnect_claim " + std::to_string(claim->interface) + " except " +
                         claim->driver);
        driver.clear();
        return 0;
      }
      case USBDEVFS_SETINTERFACE: {
        const auto* setting = static_cast<usbdevfs_setinterface*>(argument);
        calls_.push_back("set_interface " + std::to_string(setting->interface) + " " +
                         std::to_string(setting->altsetting));
        return 0;
      }
      case USBDEVFS_IOCTL: {
        const auto* command = static_cast<usbdevfs_ioctl*>(argument);
        const bool connect = static_cast<unsigned>(command->ioctl_code) == USBDEVFS_CONNECT;
        calls_.push_back((connect ? "connect " : "other ") + std::to_string(command->ifno));
        return 1;
      }
      case USBDEVFS_RELEASEINTERFACE:
      case USBDEVFS_SETCONFIGURATION:
      case USBDEVFS_RESETEP:
      case USBDEVFS_CLAIM_PORT:
        calls_.push_back(name(request) + " " + number(argument));
        return 0;
      case USBDEVFS_RESET:
        calls_.push_back("reset");
        return 0;
      default:
        calls_.push_back("unknown " + std::to_string(request));
        return -ENOTTY;
    }
  }

  [[nodiscard]] std::vector<std::string> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  std::map<unsigned long, int> errors;
  std::string driver = "usbhid";

 private:
  static std::string number(void* argument) {
    return std::to_string(*static_cast<unsigned*>(argument));
  }
  static std::string name(unsigned long request) {
    switch (request) {
      case USBDEVFS_CLAIMINTERFACE:
        return "claim";
      case USBDEVFS_RELEASEINTERFACE:
        return "release";
      case USBDEVFS_SETCONFIGURATION:
        return "set_configuration";
      case USBDEVFS_RESETEP:
        return "reset_endpoint";
      case USBDEVFS_CLAIM_PORT:
        return "claim_port";
      default:
        return "ioctl " + std::to_string(request);
    }
  }

  long submit(usbdevfs_urb* urb) {
    if (urb->type == USBDEVFS_URB_TYPE_INTERRUPT) {
      pending_.push_back(urb);  // Silent until it is discarded.
      return 0;
    }
    const auto* setup = static_cast<const SetupPacket*>(urb->buffer);
    const bool is_control = urb->type == USBDEVFS_URB_TYPE_CONTROL;
    const bool known = is_control && setup->wValue == 0x0100;
    urb->status = known || (is_control && setup->is_clear_halt()) ? 0 : -EPIPE;
    urb->actual_length = 0;
    if (known) {
      const auto descriptor = FakeMachine::device_descriptor();
      std::memcpy(static_cast<std::byte*>(urb->buffer) + 8, &descriptor, sizeof descriptor);
      urb->actual_length = sizeof descriptor;
    }
    completed_.push_back(urb);
    return 0;
  }
  long reap(usbdevfs_urb** place) {
    if (completed_.empty()) return -EAGAIN;
    *place = completed_.front();
    completed_.pop_front();
    return 0;
  }
  long discard(usbdevfs_urb* urb) {
    if (std::erase(pending_, urb) == 0) return -EINVAL;
    urb->status = -ENOENT;
    completed_.push_back(urb);
    return 0;
  }

  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::deque<usbdevfs_urb*> pending_;
  std::deque<usbdevfs_urb*> completed_;
};

gboolean on_ioctl(UMockdevIoctlBase*, UMockdevIoctlClient* client, gpointer node) {
  const auto* data = umockdev_ioctl_client_get_arg(client);
  void* argument = nullptr;
  std::memcpy(&argument, data->data, sizeof argument);
  const long answer =
      static_cast<MockedNode*>(node)->answer(umockdev_ioctl_client_get_request(client), argument);
  umockdev_ioctl_client_complete(client, answer < 0 ? -1 : answer,
                                 answer < 0 ? static_cast<int>(-answer) : 0);
  return TRUE;
}

class MockedUsbfsTest : public testing::Test, public usb::CompletionSink {
 protected:
  MockedUsbfsTest() {
    options_.paths.run = files_.root / "run";
    add("P: /devices/usb1/1-1\n"
        "N: bus/usb/001/005\n"
        "E: DEVNAME=/dev/bus/usb/001/005\n"
        "E: DEVTYPE=usb_device\n"
        "E: SUBSYSTEM=usb\n"
        "A: busnum=1\\n\n"
        "A: devnum=5\\n\n"
        "A: speed=12\\n\n"
        "A: idVendor=08f7\\n\n"
        "A: idProduct=0002\\n\n"
        "A: bConfigurationValue=1\\n\n"
        "A: product=Go! Temp\\n\n"
        "H: descriptors=" +
        hex(FakeMachine::descriptors()) + "\n");
    add("P: /devices/usb1/1-1/1-1:1.0\n"
        "E: DEVTYPE=usb_interface\n"
        "E: SUBSYSTEM=usb\n"
        "A: bInterfaceNumber=00\\n\n"
        "A: bInterfaceClass=03\\n\n"
        "A: bInterfaceSubClass=00\\n\n"
        "A: bInterfaceProtocol=00\\n\n"
        "L: driver=../../../../bus/usb/drivers/usbhid\n");
    make_pollable("dev/bus/usb/001/005");
    g_signal_connect(handler_, "handle-ioctl", G_CALLBACK(on_ioctl), &node_);
    GError* error = nullptr;
    if (!umockdev_testbed_attach_ioctl(bed_, "/dev/bus/usb/001/005", handler_, &error)) {
      ADD_FAILURE() << error->message;
      g_error_free(error);
    }
  }
  ~MockedUsbfsTest() override {
    device_.reset();
    pool_.reset();
    umockdev_testbed_detach_ioctl(bed_, "/dev/bus/usb/001/005", nullptr);
    g_object_unref(handler_);
    g_object_unref(bed_);
  }

  void add(const std::string& device) {
    GError* error = nullptr;
    if (!umockdev_testbed_add_from_string(bed_, device.c_str(), &error)) {
      ADD_FAILURE() << error->message;
      g_error_free(error);
    }
  }
  /// umockdev makes the node a plain file, which epoll refuses; a FIFO is always writable, so that
  /// the loop just asks for completions more often than with usbfs.
  void make_pollable(const std::string& node) {
    gchar* root = umockdev_testbed_get_root_dir(bed_);
    const auto path = std::filesystem::path(root) / node;
    g_free(root);
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  }
  static std::string hex(std::string_view bytes) {
    std::string text;
    for (const unsigned char byte : bytes) {
      text += "0123456789ABCDEF"[byte >> 4];
      text += "0123456789ABCDEF"[byte & 15];
    }
    return text;
  }

  void open() {
    auto info = Inventory(options_.paths).select("0x08f7.0x0002");
    ASSERT_TRUE(info) << info.error().text();
    bool finished = false;
    open_device(loop_, *pool_, *info, options_, [&](Result<std::unique_ptr<UsbfsDevice>> opened) {
      finished = true;
      if (opened) device_ = std::move(*opened);
      if (!opened) failure_ = opened.error();
    });
    run_until([&] { return finished; });
  }
  usb::Urb make(usb::EndpointAddress endpoint, std::uint32_t length) {
    auto urb = usb::Urb::create();
    urb->endpoint = endpoint;
    urb->length = length;
    urb.push_sink(*this);
    return urb;
  }
  usb::Urb control(const SetupPacket& setup) {
    const auto direction = setup.is_in() ? usb::Direction::In : usb::Direction::Out;
    auto urb = make(usb::EndpointAddress(0, direction), setup.wLength);
    urb->setup = setup;
    return urb;
  }
  void on_completed(usb::Urb urb, std::uint64_t) override { done_.push_back(std::move(urb)); }
  void run_until(const std::function<bool()>& done) { loop_.run_until(done); }

  FakeMachine files_;
  UMockdevTestbed* bed_ = umockdev_testbed_new();
  UMockdevIoctlBase* handler_ = umockdev_ioctl_base_new();
  MockedNode node_;
  OpenOptions options_;
  Loop loop_;
  std::unique_ptr<BlockingPool> pool_ = std::make_unique<BlockingPool>();
  std::unique_ptr<UsbfsDevice> device_;
  Error failure_;
  std::vector<usb::Urb> done_;
};

TEST_F(MockedUsbfsTest, TakesADeviceFromItsDriverAndGivesItBack) {
  open();
  ASSERT_TRUE(device_) << failure_.text();
  EXPECT_EQ(device_->model().product, "Go! Temp");
  EXPECT_TRUE(std::filesystem::exists(options_.paths.run / "claims/1-1"));
  device_.reset();
  pool_->wait_until_idle();
  EXPECT_THAT(node_.calls(), ElementsAre("claim 0", "disconnect_claim 0 except usbfs", "release 0",
                                         "reset", "connect 0"));
  EXPECT_FALSE(std::filesystem::exists(options_.paths.run / "claims/1-1"));
}

TEST_F(MockedUsbfsTest, MovesAControlTransfer) {
  open();
  device_->submit(control(SetupPacket::get_descriptor(1, 0, 64)));
  run_until([this] { return done_.size() == 1; });
  EXPECT_EQ(done_[0]->status, Status::Ok);
  ASSERT_EQ(done_[0]->actual_length, 18U);
  EXPECT_EQ(read_as<usb::DeviceDescriptor>(done_[0]->data())->idVendor, 0x08f7);
}

TEST_F(MockedUsbfsTest, ReportsAStall) {
  open();
  device_->submit(control(SetupPacket::get_descriptor(9, 0, 64)));
  run_until([this] { return done_.size() == 1; });
  EXPECT_EQ(done_[0]->status, Status::Stalled);
}

TEST_F(MockedUsbfsTest, CancelsAnInterruptTransfer) {
  open();
  auto urb = make(usb::EndpointAddress(0x81), 8);
  const auto handle = urb.handle();
  device_->submit(std::move(urb));
  device_->cancel(handle);
  run_until([this] { return done_.size() == 1; });
  EXPECT_EQ(done_[0]->status, Status::Cancelled);
}

TEST_F(MockedUsbfsTest, MakesSpecialRequests) {
  open();
  device_->submit(control(SetupPacket::set_interface(0, 0)));
  device_->submit(control(SetupPacket::clear_halt(usb::EndpointAddress(0x81))));
  device_->submit(control(SetupPacket::set_configuration(1)));
  device_->submit(control(SetupPacket::port_reset()));
  run_until([this] { return done_.size() == 4; });
  EXPECT_THAT(node_.calls(), Contains("set_interface 0 0"));
  EXPECT_THAT(node_.calls(), Contains("reset_endpoint 129"));
  EXPECT_THAT(node_.calls(), Contains("set_configuration 1"));
  EXPECT_THAT(node_.calls(), Contains("reset"));
  EXPECT_EQ(done_[3]->status, Status::Ok);
}

TEST_F(MockedUsbfsTest, IsBusyWhenAnotherProgramHasTheInterface) {
  node_.errors[USBDEVFS_DISCONNECT_CLAIM] = EBUSY;
  open();
  ASSERT_FALSE(device_);
  EXPECT_EQ(failure_.kind, Error::Kind::Busy);
  EXPECT_FALSE(std::filesystem::exists(options_.paths.run / "claims/1-1"));
}

TEST_F(MockedUsbfsTest, IsGoneWhenItDisappearsWhileItIsOpened) {
  node_.errors[USBDEVFS_CLAIMINTERFACE] = ENODEV;
  open();
  ASSERT_FALSE(device_);
  EXPECT_EQ(failure_.kind, Error::Kind::Gone);
}

TEST_F(MockedUsbfsTest, ANodeThatIsNotThereIsGone) {
  auto info = Inventory(options_.paths).find("1-1");
  ASSERT_TRUE(info);
  info->devnum = 99;
  const auto taken = take_device(*info, options_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, Error::Kind::Gone);
}

TEST_F(MockedUsbfsTest, LookingAtItTakesNothingFromItsDrivers) {
  auto info = Inventory(options_.paths).find("1-1");
  ASSERT_TRUE(info);
  info->refusal = "in use: mounted";
  ASSERT_FALSE(take_device(*info, options_));
  options_.look = true;
  {
    const auto taken = take_device(*info, options_);
    ASSERT_TRUE(taken) << taken.error().text();
    EXPECT_FALSE(std::filesystem::exists(options_.paths.run / "claims/1-1"));
  }
  EXPECT_TRUE(node_.calls().empty());
}

TEST_F(MockedUsbfsTest, RefusesAReplacedDevice) {
  auto info = Inventory(options_.paths).find("1-1");
  ASSERT_TRUE(info);
  umockdev_testbed_set_attribute(bed_, "/sys/devices/usb1/1-1", "devnum", "6\n");
  const auto taken = take_device(*info, options_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, Error::Kind::Gone);
  EXPECT_TRUE(node_.calls().empty());
}

}  // namespace
}  // namespace periprox::physical

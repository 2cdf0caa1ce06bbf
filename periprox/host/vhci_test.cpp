#include "periprox/host/vhci.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <map>

namespace periprox::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two of three ports a hub, as Linux 6.1 prints them: one in use, one being enumerated.
constexpr std::string_view kStatus =
    "hub port sta spd dev      sockfd local_busid\n"
    "hs  0000 006 003 00010002 000005 1-1\n"
    "hs  0001 005 001 00010003 000006 0-0\n"
    "hs  0002 004 000 00000000 000000 0-0\n"
    "ss  0003 004 000 00000000 000000 0-0\n"
    "ss  0004 007 000 00000000 000000 0-0\n"
    "ss  0005 004 000 00000000 000000 0-0\n";

/// A kernel made of files, that answers writes as it is told.
class VhciTest : public ::testing::Test {
 protected:
  VhciTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "periprox.XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    paths_.sys = root_ / "sys";
    paths_.modules = root_ / "modules";
  }
  ~VhciTest() override { std::filesystem::remove_all(root_); }

  void put(const std::string& name, std::string_view text) {
    const auto folder = paths_.sys / "devices/platform/vhci_hcd.0";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / name) << text;
  }

  void put_hub_device(const std::string& hub, std::string_view speed, const std::string& busid,
                      unsigned controller = 0) {
    const auto folder =
        paths_.sys / "devices/platform" / ("vhci_hcd." + std::to_string(controller)) / hub;
    std::filesystem::create_directories(folder / busid);
    std::ofstream(folder / "speed") << speed;
  }

  Vhci open() {
    return *Vhci::open(paths_, [this](const std::filesystem::path& path, std::string_view text) {
      written_.push_back(path.filename().string() + ": " + std::string(text));
      const auto answer = answers_.find(std::string(text));
      return answer == answers_.end() ? 0 : answer->second;
    });
  }

  std::filesystem::path root_;
  physical::SystemPaths paths_;
  std::map<std::string, int> answers_;  // What is written to the errno that it gives.
  std::vector<std::string> written_;
};

TEST(VhciStatus, IsReadByColumns) {
  const auto ports = parse_vhci_status(kStatus);
  ASSERT_THAT(ports, SizeIs(6));
  EXPECT_EQ(ports[0], (VhciPort{.number = 0,
                                .is_super = false,
                                .state = PortState::InUse,
                                .speed = usb::Speed::High,
                                .devid = 0x00010002,
                                .busid = "1-1"}));
  EXPECT_EQ(ports[1].state, PortState::Enumerating);
  EXPECT_EQ(ports[1].busid, "");
  EXPECT_EQ(ports[2], (VhciPort{.number = 2}));
  EXPECT_TRUE(ports[3].is_super);
  EXPECT_EQ(ports[4].state, PortState::Error);
}

TEST(VhciStatus, WithoutAHubColumnHasNoSuperSpeed) {
  const auto ports = parse_vhci_status(
      "prt sta spd bus dev socket           local_busid\n"
      "000 004 000 000 0000000000000000 0-0\n");
  ASSERT_THAT(ports, SizeIs(1));
  EXPECT_FALSE(ports[0].is_super);
}

TEST(VhciStatus, LeavesOutWhatMakesNoSense) {
  EXPECT_THAT(parse_vhci_status(""), IsEmpty());
  EXPECT_THAT(parse_vhci_status("hub port sta spd dev      sockfd local_busid\n"
                                "hs  0000 000 000 00000000 0000000000000000 0-0\n"
                                "hs  -001 004 000 00000000 000000 0-0\n"
                                "hs  9999 004 000 00000000 000000 0-0\n"
                                "xs  0000 004 000 00000000 000000 0-0\n"
                                "hs  0000 004\n"),
              IsEmpty());
}

TEST_F(VhciTest, NamesTheRemedyWhenTheModuleIsNotLoaded) {
  const auto vhci = Vhci::open(paths_);
  ASSERT_FALSE(vhci);
  EXPECT_EQ(vhci.error().kind, Error::Kind::NotFound);
  EXPECT_THAT(vhci.error().why, HasSubstr("has no module vhci_hcd"));
  EXPECT_THAT(vhci.error().hint, HasSubstr("install a kernel that has it"));
}

TEST_F(VhciTest, ReadsThePortsOfEveryController) {
  put("status", kStatus);
  put("status.1",
      "hub port sta spd dev      sockfd local_busid\n"
      "hs  0006 004 000 00000000 000000 0-0\n");
  put("status.3",
      "hub port sta spd dev      sockfd local_busid\n"
      "hs  0018 004 000 00000000 000000 0-0\n");
  const auto ports = open().ports();
  ASSERT_THAT(ports, SizeIs(7));
  EXPECT_EQ(ports.back().number, 6U);
}

TEST_F(VhciTest, AttachesToAFreePortOfTheHubThatFitsTheSpeed) {
  put("status", kStatus);
  const auto vhci = open();
  EXPECT_EQ(vhci.attach(9, 0x00010001, usb::Speed::Low)->port, 2U);
  EXPECT_EQ(vhci.attach(9, 0x00010001, usb::Speed::Super)->port, 3U);
  EXPECT_THAT(written_, ElementsAre("attach: 2 9 65537 1", "attach: 3 9 65537 5"));
}

TEST_F(VhciTest, TakesTheNextPortWhenSomebodyWasFaster) {
  put("status", kStatus);
  answers_["3 9 1 5"] = EBUSY;
  EXPECT_EQ(open().attach(9, 1, usb::Speed::Super)->port, 5U);
}

TEST_F(VhciTest, PassesOverAPortWhoseLastDeviceTheHubStillHas) {
  put("status", kStatus);
  put_hub_device("usb1", "480", "1-1");
  put_hub_device("usb2", "5000", "2-1");
  const auto vhci = open();
  EXPECT_EQ(vhci.attach(9, 1, usb::Speed::Super)->port, 5U) << "2-1 was in port 3";
  EXPECT_EQ(vhci.attach(9, 1, usb::Speed::High)->port, 2U) << "1-1 is in port 0";
  put_hub_device("usb2", "5000", "2-3");
  EXPECT_EQ(vhci.attach(9, 1, usb::Speed::Super)->port, 3U) << "there is no better one";
}

TEST_F(VhciTest, LooksForLeftoversAtTheControllerOfThePort) {
  put("status", "hub port sta spd dev      sockfd local_busid\n");
  put("status.1",
      "hub port sta spd dev      sockfd local_busid\n"
      "hs  0006 004 000 00000000 000000 0-0\n"
      "hs  0007 004 000 00000000 000000 0-0\n");
  put_hub_device("usb3", "480", "3-1", 1);
  EXPECT_EQ(open().attach(9, 1, usb::Speed::Full)->port, 7U);
}

TEST_F(VhciTest, AnnouncesSuperSpeedToAKernelThatKnowsNoMore) {
  put("status", kStatus);
  answers_["3 9 1 6"] = EINVAL;
  const auto attached = open().attach(9, 1, usb::Speed::SuperPlus);
  ASSERT_TRUE(attached);
  EXPECT_EQ(attached->speed, usb::Speed::Super);
}

TEST_F(VhciTest, SaysWhenNoPortIsFree) {
  put("status", kStatus);
  answers_["2 9 1 3"] = EBUSY;
  const auto attached = open().attach(9, 1, usb::Speed::High);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().kind, Error::Kind::Busy);
  EXPECT_THAT(attached.error().why, HasSubstr("low to high speed"));
}

TEST_F(VhciTest, SaysWhenThisKernelHasNoSuperSpeedPorts) {
  put("status",
      "hub port sta spd dev      sockfd local_busid\n"
      "hs  0000 004 000 00000000 000000 0-0\n");
  EXPECT_EQ(open().attach(9, 1, usb::Speed::Super).error().kind, Error::Kind::NotSupported);
}

TEST_F(VhciTest, NamesTheRuleThatGivesPermission) {
  put("status", kStatus);
  answers_["2 9 1 3"] = EACCES;
  answers_["2"] = EACCES;
  const auto vhci = open();
  const auto attached = vhci.attach(9, 1, usb::Speed::High);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().kind, Error::Kind::NoPermission);
  EXPECT_THAT(attached.error().hint, HasSubstr("60-periprox.rules"));
  EXPECT_EQ(vhci.detach(2).error().kind, Error::Kind::NoPermission);
}

TEST_F(VhciTest, DetachesAPort) {
  put("status", kStatus);
  EXPECT_TRUE(open().detach(0));
  EXPECT_THAT(written_, ElementsAre("detach: 0"));
}

TEST_F(VhciTest, SaysWhenNothingIsPluggedIntoThePortToDetach) {
  put("status", kStatus);
  answers_["2"] = EINVAL;
  EXPECT_EQ(open().detach(2).error().kind, Error::Kind::NotFound);
}

}  // namespace
}  // namespace periprox::host

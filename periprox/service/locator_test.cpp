#include "periprox/service/locator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace periprox::service {
namespace {

using testing::HasSubstr;
using Kind = Error::Kind;

Locator good(std::string_view text) {
  auto locator = parse_locator(text);
  if (!locator) {
    ADD_FAILURE() << locator.error().text();
    return {};
  }
  return *locator;
}
Error bad(std::string_view text) {
  auto locator = parse_locator(text);
  if (locator) {
    ADD_FAILURE() << text << " was taken";
    return {};
  }
  return locator.error();
}

const link::Address kHost{.host = "host", .port = 3240};
const physical::Locator kPort{.busid = "1-1.2"};

TEST(Locator, ReadsBusIds) { EXPECT_EQ(good("1-1.2"), Locator(kPort)); }

TEST(Locator, ReadsIdsAndSerialNumbers) {
  EXPECT_EQ(good("0x08f7.0x0002"), Locator(physical::Locator{{}, 0x08f7, 2, {}}));
  EXPECT_EQ(good("0x08f7.0x0002@A1"), Locator(physical::Locator{{}, 0x08f7, 2, "A1"}));
}

TEST(Locator, ReadsEmulatedDevices) {
  EXPECT_EQ(good("emulated:zero"), Locator(EmulatedLocator{"zero", {}}));
  EXPECT_EQ(good("emulated:go_temp?celsius=21.5&serial=A%20%26"),
            Locator(EmulatedLocator{"go_temp", {{"celsius", "21.5"}, {"serial", "A &"}}}));
}

TEST(Locator, ReadsServersWithAndWithoutAPort) {
  EXPECT_EQ(good("usbip://host/1-1.2"), Locator(RemoteLocator{kHost, kPort}));
  EXPECT_EQ(good("usbip://host:99/1-1.2"),
            Locator(RemoteLocator{{.host = "host", .port = 99}, kPort}));
  EXPECT_EQ(good("usbip://[::1]:99/1-1.2"),
            Locator(RemoteLocator{{.host = "::1", .port = 99}, kPort}));
}

TEST(Locator, ReadsIdsAtAServer) {
  EXPECT_EQ(good("usbip://host/0x08f7.0x0002"), Locator(RemoteLocator{kHost, {{}, 0x08f7, 2, {}}}));
  EXPECT_EQ(good("usbip://host/0x08f7.0x0002@A%2F1"),
            Locator(RemoteLocator{kHost, {{}, 0x08f7, 2, "A/1"}}));
}

TEST(Locator, ReadsGadgetsAtAServer) {
  const physical::Locator gadget{.busid = "usbip-vudc.0"};
  EXPECT_EQ(good("usbip://host/usbip-vudc.0"), Locator(RemoteLocator{kHost, gadget}));
  EXPECT_EQ(bad("usbip://host/usbip-vudc.x").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip-vudc.0").kind, Kind::Usage);
}

TEST(Locator, ReadsUnixSocketsWhoseLastComponentIsTheDevice) {
  const link::Address socket{.kind = link::Address::Kind::Unix, .path = "/run/p.sock"};
  EXPECT_EQ(good("usbip+unix:///run/p.sock/1-1.2"), Locator(RemoteLocator{socket, kPort}));
  EXPECT_EQ(good("usbip+unix:///run/p.sock/0x08f7.0x0002"),
            Locator(RemoteLocator{socket, {{}, 0x08f7, 2, {}}}));
}

TEST(Locator, RefusesWhatNamesNothing) {
  EXPECT_EQ(bad("").kind, Kind::Usage);
  EXPECT_EQ(bad("thermometer").kind, Kind::Usage);
  EXPECT_EQ(bad("1-").kind, Kind::Usage);
  EXPECT_EQ(bad("0x08f7").kind, Kind::Usage);
  EXPECT_EQ(bad("0x08f7.0x2").kind, Kind::Usage);
  EXPECT_EQ(bad(std::string(5000, '1')).kind, Kind::Usage);
  EXPECT_THAT(bad("http://host/1-1").why, HasSubstr("'http' is no kind of link"));
}

TEST(Locator, RefusesBrokenEmulatedDevices) {
  EXPECT_EQ(bad("emulated:").kind, Kind::Usage);
  EXPECT_EQ(bad("emulated:a/b").kind, Kind::Usage);
  EXPECT_EQ(bad("emulated:zero?speed").kind, Kind::Usage);
  EXPECT_EQ(bad("emulated:zero?serial=1&serial=2").kind, Kind::Usage);
  EXPECT_EQ(bad("emulated:zero?serial=%4").kind, Kind::Usage);
}

TEST(Locator, RefusesServersWithoutADevice) {
  EXPECT_THAT(bad("usbip://host").hint, HasSubstr("add /BUSID"));
  EXPECT_THAT(bad("usbip://host/").hint, HasSubstr("add /BUSID"));
  EXPECT_EQ(bad("usbip:///1-1").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip://host:port/1-1").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip://host/thing").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip://host/1-1/more").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip+unix:1-1").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip+unix:///run/p.sock").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip://host/0x08f7.0x0002@%zz").kind, Kind::Usage);
}

TEST(Locator, ReadsADeviceBehindVsock) {
  const link::Address host{.kind = link::Address::Kind::Vsock, .port = 3240, .cid = 2};
  EXPECT_EQ(good("usbip+vsock://2/1-1.2"), Locator(RemoteLocator{host, kPort}));
  EXPECT_EQ(good("usbip+vsock://host:3240/1-1.2"), Locator(RemoteLocator{host, kPort}));
  EXPECT_EQ(bad("usbip+vsock://elsewhere/1-1").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip+vsock://2:x/1-1").kind, Kind::Usage);
}

TEST(Locator, ReadsACommand) {
  EXPECT_EQ(good("usbip+exec:ssh lab periprox export 1-1"),
            Locator(CommandLocator{"ssh lab periprox export 1-1"}));
  EXPECT_EQ(bad("usbip+exec:  ").kind, Kind::Usage);
}

TEST(Locator, ReadsADescriptor) {
  EXPECT_EQ(good("usbip+fd:0"), Locator(DescriptorLocator{0}));
  EXPECT_EQ(bad("usbip+fd:").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip+fd:-1").kind, Kind::Usage);
  EXPECT_EQ(bad("usbip+fd:1x").kind, Kind::Usage);
}

TEST(Locator, ReadsRecordedDevices) {
  EXPECT_EQ(good("recorded:a/b.pcapng"), Locator(RecordedLocator{"a/b.pcapng", {}}));
  EXPECT_EQ(good("recorded:a%3fb?timing=fast&device=1.4"),
            Locator(RecordedLocator{"a?b", {{"device", "1.4"}, {"timing", "fast"}}}));
  EXPECT_EQ(bad("recorded:").kind, Kind::Usage);
  EXPECT_EQ(bad("recorded:a?timing").kind, Kind::Usage);
}

TEST(Locator, NamesFormsThatThisBuildCannotOpen) {
  EXPECT_EQ(bad("usbip+tls://host/1-1").kind, Kind::NotSupported);
  EXPECT_THAT(bad("usbip+tls://host/1-1").why, HasSubstr("not supported by this build"));
}

TEST(Locator, ShowsNoControlCharactersInItsErrors) {
  EXPECT_EQ(bad("a\x1b[2J").text().find('\x1b'), std::string::npos);
  EXPECT_EQ(bad("usbip://host/a\x1b[2J").text().find('\x1b'), std::string::npos);
  EXPECT_EQ(bad("emulated:\x1b[2J").text().find('\x1b'), std::string::npos);
}

TEST(Server, ReadsItsAddress) {
  EXPECT_EQ(*parse_server("usbip://host"), kHost);
  EXPECT_EQ(*parse_server("usbip://host/"), kHost);
  EXPECT_EQ(parse_server("usbip+unix:///run/p.sock")->path, "/run/p.sock");
}

TEST(Server, RefusesOtherWords) {
  EXPECT_EQ(parse_server("host").error().kind, Kind::Usage);
  EXPECT_EQ(parse_server("usbip://").error().kind, Kind::Usage);
  EXPECT_EQ(parse_server("usbip://host/1-1").error().kind, Kind::Usage);
}

TEST(PercentDecode, ReplacesWhatIsEncodedAndNothingElse) {
  EXPECT_EQ(*percent_decode("a%20b%C3%a4+"), "a b\xc3\xa4+");
  EXPECT_FALSE(percent_decode("%"));
  EXPECT_FALSE(percent_decode("%1"));
  EXPECT_FALSE(percent_decode("%+1"));
  EXPECT_FALSE(percent_decode("%00"));
}

}  // namespace
}  // namespace periprox::service

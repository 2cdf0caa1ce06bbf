#include "periprox/link/address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace periprox::link {
namespace {

using ::testing::HasSubstr;

Address tcp(std::string host, std::uint16_t port) {
  return {.host = std::move(host), .port = port};
}

void reads(std::string_view text, const Address& address) {
  const auto read = parse_address(text, 3240);
  ASSERT_TRUE(read) << text;
  EXPECT_EQ(*read, address) << text;
}

void refuses(std::string_view text, const char* why) {
  const auto read = parse_address(text, 3240);
  ASSERT_FALSE(read) << text;
  EXPECT_EQ(read.error().kind, Error::Kind::Usage);
  EXPECT_THAT(read.error().why, HasSubstr(why));
}

TEST(Address, ReadsHostAndPort) { reads("tcp://127.0.0.1:4000", tcp("127.0.0.1", 4000)); }
TEST(Address, TakesTheDefaultPort) { reads("tcp://lab-3.example", tcp("lab-3.example", 3240)); }
TEST(Address, ReadsVsock) {
  const auto vsock = [](std::uint32_t cid, std::uint32_t port) {
    return Address{.kind = Address::Kind::Vsock, .port = port, .cid = cid};
  };
  reads("vsock://2:4000", vsock(2, 4000));
  reads("vsock://host", vsock(2, 3240));
  reads("vsock://local:4294967295", vsock(1, 4294967295U));
  reads("vsock://any", vsock(Address::kAnyCid, 3240));
  EXPECT_EQ(vsock(3, 3240).text(), "vsock://3:3240");
  EXPECT_EQ(vsock(Address::kAnyCid, 1).text(), "vsock://any:1");
  refuses("vsock://", "begins with a CID");
  refuses("vsock://two", "begins with a CID");
  refuses("vsock://2:", "no number of 32 bits");
  refuses("vsock://2:4294967296", "no number of 32 bits");
}

TEST(Address, ReadsPortsAtTheirBounds) {
  reads("tcp://h:0", tcp("h", 0));
  reads("tcp://h:65535", tcp("h", 65535));
}
TEST(Address, ReadsIpv6InBrackets) { reads("tcp://[::1]:4000", tcp("::1", 4000)); }
TEST(Address, ReadsIpv6WithoutPort) { reads("tcp://[fe80::1]", tcp("fe80::1", 3240)); }
TEST(Address, ReadsIpv6WithAZone) { reads("tcp://[fe80::1%eth0]:1", tcp("fe80::1%eth0", 1)); }
TEST(Address, ReadsUnixPaths) {
  const Address address{.kind = Address::Kind::Unix, .path = "/run/p.sock"};
  reads("unix:///run/p.sock", address);
  reads("unix:/run/p.sock", address);
}
TEST(Address, ReadsARelativeUnixPath) {
  reads("unix://p.sock", {.kind = Address::Kind::Unix, .path = "p.sock"});
}

TEST(Address, RefusesAnotherScheme) { refuses("http://h:1", "neither tcp:// nor unix:"); }
TEST(Address, RefusesNothing) { refuses("", "neither"); }
TEST(Address, RefusesAMissingHost) { refuses("tcp://:3240", "host is missing"); }
TEST(Address, RefusesAnEmptyIpv6) { refuses("tcp://[]:1", "host is missing"); }
TEST(Address, RefusesIpv6WithoutBrackets) { refuses("tcp://fe80::1", "port"); }
TEST(Address, RefusesAMissingBracket) { refuses("tcp://[::1", "']' is missing"); }
TEST(Address, RefusesWordsInBrackets) { refuses("tcp://[host]:1", "no IPv6"); }
TEST(Address, RefusesASlashInAZone) { refuses("tcp://[fe80::1%a/b]:1", "no IPv6"); }
TEST(Address, RefusesTextBehindTheBracket) { refuses("tcp://[::1]x", "':' and a port"); }
TEST(Address, RefusesACharacterOfNoHost) { refuses("tcp://a b", "no such character"); }
TEST(Address, RefusesAnEmptyPort) { refuses("tcp://h:", "0 to 65535"); }
TEST(Address, RefusesAPortThatIsTooLarge) { refuses("tcp://h:65536", "0 to 65535"); }
TEST(Address, RefusesANegativePort) { refuses("tcp://h:-1", "0 to 65535"); }
TEST(Address, RefusesTextBehindThePort) { refuses("tcp://h:80x", "0 to 65535"); }
TEST(Address, RefusesAHostThatIsTooLong) { refuses("tcp://" + std::string(254, 'a'), "too long"); }
TEST(Address, RefusesAMissingPath) { refuses("unix://", "path is missing"); }
TEST(Address, TakesThePathThatJustFits) {
  EXPECT_TRUE(parse_address("unix://" + std::string(107, 'p'), 0));
  refuses("unix://" + std::string(108, 'p'), "at most 107 bytes");
}

TEST(Address, WritesWhatItReads) {
  EXPECT_EQ(parse_address("tcp://[::1]:4000", 0)->text(), "tcp://[::1]:4000");
  EXPECT_EQ(parse_address("tcp://h", 3240)->text(), "tcp://h:3240");
  EXPECT_EQ(parse_address("unix:/run/p.sock", 0)->text(), "unix:///run/p.sock");
}

TEST(HostPort, ReadsWithoutAScheme) {
  EXPECT_EQ(*parse_host_port("lab:1", 3240), tcp("lab", 1));
  EXPECT_EQ(*parse_host_port("lab", 3240), tcp("lab", 3240));
}

}  // namespace
}  // namespace periprox::link

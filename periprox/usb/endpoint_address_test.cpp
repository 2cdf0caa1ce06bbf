#include "periprox/usb/endpoint_address.hpp"

#include <gtest/gtest.h>

namespace periprox::usb {
namespace {

TEST(EndpointAddress, HasANumberAndADirection) {
  const EndpointAddress in(0x81);
  EXPECT_EQ(in.number(), 1);
  EXPECT_TRUE(in.is_in());
  EXPECT_EQ(in.direction(), Direction::In);
  EXPECT_EQ(EndpointAddress(1, Direction::In), in);
  EXPECT_EQ(EndpointAddress(0x02).direction(), Direction::Out);
  EXPECT_NE(EndpointAddress(0x01), in);
}

TEST(EndpointAddress, DropsReservedBits) {
  EXPECT_EQ(EndpointAddress(0xff).value(), 0x8f);
  EXPECT_EQ(EndpointAddress(0x1f, Direction::Out).value(), 0x0f);
}

TEST(EndpointAddress, HasAPlaceOfItsOwnInATable) {
  EXPECT_EQ(EndpointAddress(0x00).index(), 0);
  EXPECT_EQ(EndpointAddress(0x0f).index(), 15);
  EXPECT_EQ(EndpointAddress(0x80).index(), 16);
  EXPECT_EQ(EndpointAddress(0xff).index(), kEndpointTableSize - 1);
}

}  // namespace
}  // namespace periprox::usb

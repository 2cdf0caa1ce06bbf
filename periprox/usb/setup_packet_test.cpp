#include "periprox/usb/setup_packet.hpp"

#include <gmock/gmock.h>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::usb {
namespace {

TEST(SetupPacket, IsLittleEndianInMemory) {
  const SetupPacket setup{0x80, 6, 0x0102, 0x0304, 0x0506};
  EXPECT_EQ(hex_bytes(bytes_of(setup)), "80 06 02 01 04 03 06 05");
}

TEST(SetupPacket, TellsDirectionTypeAndRecipientApart) {
  const SetupPacket setup{0xa1, 0xfe, 0, 0, 1};
  EXPECT_EQ(setup.direction(), Direction::In);
  EXPECT_EQ(setup.type(), RequestType::Class);
  EXPECT_EQ(setup.recipient(), Recipient::Interface);
}

TEST(SetupPacket, HasNoInDataStageWithoutLength) {
  EXPECT_TRUE((SetupPacket{0x80, 0, 0, 0, 2}.is_in()));
  EXPECT_FALSE((SetupPacket{0x80, 0, 0, 0, 0}.is_in()));
  EXPECT_FALSE((SetupPacket{0x00, 0, 0, 0, 2}.is_in()));
}

TEST(SetupPacket, BuildsGetDescriptor) {
  const auto setup = SetupPacket::get_descriptor(3, 2, 255, 0x0409);
  EXPECT_EQ(hex_bytes(bytes_of(setup)), "80 06 02 03 09 04 ff 00");
  EXPECT_TRUE(setup.is_standard(StandardRequest::GetDescriptor));
}

TEST(SetupPacket, KnowsTheRequestsThatChangeADevice) {
  EXPECT_TRUE(SetupPacket::set_configuration(1).is_set_configuration());
  EXPECT_TRUE(SetupPacket::set_interface(2, 1).is_set_interface());
  EXPECT_TRUE(SetupPacket::clear_halt(EndpointAddress(0x81)).is_clear_halt());
  EXPECT_TRUE(SetupPacket::port_reset().is_port_reset());
  EXPECT_TRUE((SetupPacket{0x00, 5, 3, 0, 0}.is_set_address()));
}

TEST(SetupPacket, PutsItsArgumentsWhereTheStandardWantsThem) {
  EXPECT_EQ(hex_bytes(bytes_of(SetupPacket::set_configuration(7))), "00 09 07 00 00 00 00 00");
  EXPECT_EQ(hex_bytes(bytes_of(SetupPacket::set_interface(2, 5))), "01 0b 05 00 02 00 00 00");
  EXPECT_EQ(hex_bytes(bytes_of(SetupPacket::clear_halt(EndpointAddress(0x81)))),
            "02 01 00 00 81 00 00 00");
  EXPECT_EQ(hex_bytes(bytes_of(SetupPacket::port_reset())), "23 03 04 00 00 00 00 00");
}

TEST(SetupPacket, DoesNotTakeOtherRequestsForThem) {
  // Same bRequest, other type or recipient.
  EXPECT_FALSE((SetupPacket{0x40, 9, 1, 0, 0}.is_set_configuration()));
  EXPECT_FALSE((SetupPacket{0x21, 9, 1, 0, 0}.is_set_configuration()));  // HID SET_REPORT
  EXPECT_FALSE((SetupPacket{0x21, 11, 1, 0, 0}.is_set_interface()));     // HID SET_PROTOCOL
  EXPECT_FALSE((SetupPacket{0x02, 1, 1, 0x81, 0}.is_clear_halt()));      // another feature
  EXPECT_FALSE((SetupPacket{0x00, 1, 0, 0, 0}.is_clear_halt()));
  EXPECT_FALSE((SetupPacket{0x03, 3, 4, 0, 0}.is_port_reset()));
  EXPECT_FALSE((SetupPacket{0x23, 1, 4, 0, 0}.is_port_reset()));
  EXPECT_FALSE((SetupPacket{0x80, 5, 3, 0, 0}.is_set_address()));
}

TEST(SetupPacket, ComparesEveryField) {
  const SetupPacket setup{1, 2, 3, 4, 5};
  EXPECT_EQ(setup, (SetupPacket{1, 2, 3, 4, 5}));
  EXPECT_NE(setup, (SetupPacket{0, 2, 3, 4, 5}));
  EXPECT_NE(setup, (SetupPacket{1, 0, 3, 4, 5}));
  EXPECT_NE(setup, (SetupPacket{1, 2, 0, 4, 5}));
  EXPECT_NE(setup, (SetupPacket{1, 2, 3, 0, 5}));
  EXPECT_NE(setup, (SetupPacket{1, 2, 3, 4, 0}));
}

}  // namespace
}  // namespace periprox::usb

#include "periprox/emulated/cdc.hpp"

#include "periprox/emulated/declaration.hpp"

namespace periprox::emulated::cdc {
namespace {

constexpr int kClassInterface = static_cast<int>(usb::DescriptorType::ClassInterface);

}  // namespace

usb::RawDescriptor header() {
  // bcdCDC 1.20
  return raw_bytes({5, kClassInterface, static_cast<int>(Subtype::Header), 0x20, 0x01});
}

usb::RawDescriptor union_of(std::uint8_t control, std::uint8_t data) {
  return raw_bytes({5, kClassInterface, static_cast<int>(Subtype::Union), control, data});
}

}  // namespace periprox::emulated::cdc

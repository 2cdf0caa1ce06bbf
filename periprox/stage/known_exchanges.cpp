#include "periprox/stage/known_exchanges.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "periprox/usb/configuration.hpp"

namespace periprox::stage {
namespace {

using usb::DescriptorType;
using usb::SetupPacket;

constexpr std::uint16_t kEnglish = 0x0409;

/// Collects the requests with their answers. The memory of the answers outlives the pool.
class Exchanges {
 public:
  void answer(DescriptorType type, std::uint8_t index, Bytes bytes, std::uint16_t language = 0) {
    bytes = bytes.first(std::min<std::size_t>(bytes.size(), 0xffff));
    auto urb =
        make(SetupPacket::get_descriptor(static_cast<std::uint8_t>(type), index,
                                         static_cast<std::uint16_t>(bytes.size()), language));
    urb->payload = pool_.allocate(urb->length);
    if (urb->payload) std::ranges::copy(bytes, urb->payload.data());
    urb->actual_length = urb->length;
    urbs_.push_back(std::move(urb));
  }
  void text(std::uint8_t index, const std::string& value) {
    if (index != 0 && !value.empty())
      answer(DescriptorType::String, index, usb::build_string(value), kEnglish);
  }
  void done(const SetupPacket& setup) { urbs_.push_back(make(setup)); }

  std::vector<usb::Urb> release() { return std::move(urbs_); }

 private:
  static usb::Urb make(const SetupPacket& setup) {
    auto urb = usb::Urb::create();
    urb->endpoint =
        usb::EndpointAddress(0, setup.is_in() ? usb::Direction::In : usb::Direction::Out);
    urb->setup = setup;
    urb->length = setup.wLength;
    return urb;
  }

  PayloadPool pool_;
  std::vector<usb::Urb> urbs_;
};

}  // namespace

std::vector<usb::Urb> known_exchanges(const usb::DeviceModel& model) {
  Exchanges exchanges;
  const auto& descriptor = model.descriptor();
  exchanges.answer(DescriptorType::Device, 0, bytes_of(descriptor));
  if (!model.bos.empty()) exchanges.answer(DescriptorType::Bos, 0, model.bos);
  for (std::size_t i = 0; i < model.configurations().size() && i < 256; ++i) {
    exchanges.answer(DescriptorType::Configuration, static_cast<std::uint8_t>(i),
                     usb::build_configuration(model.configurations()[i]));
  }
  const bool has_text =
      !model.manufacturer.empty() || !model.product.empty() || !model.serial_number.empty();
  if (has_text) {
    exchanges.answer(DescriptorType::String, 0, usb::build_language_list(std::array{kEnglish}));
  }
  exchanges.text(descriptor.iManufacturer, model.manufacturer);
  exchanges.text(descriptor.iProduct, model.product);
  exchanges.text(descriptor.iSerialNumber, model.serial_number);

  const auto* configuration = model.active_configuration();
  if (configuration == nullptr) return exchanges.release();
  exchanges.done(SetupPacket::set_configuration(model.configuration_value()));
  for (const auto& interface : configuration->interfaces) {
    const auto alternate = model.alternate_setting(interface.number);
    if (alternate != 0) exchanges.done(SetupPacket::set_interface(interface.number, alternate));
  }
  return exchanges.release();
}

}  // namespace periprox::stage

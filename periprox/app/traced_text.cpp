#include "periprox/app/traced_text.hpp"

#include <algorithm>

#include "periprox/service/printable.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/usb/describe.hpp"
#include "periprox/usb/hex_text.hpp"
#include "periprox/usb/request_text.hpp"

namespace periprox::app {
namespace {

using recorded::TracedTransfer;
using usb::DescriptorType;
using usb::TransferType;

constexpr std::uint8_t kCommunications = 0x02;
constexpr std::uint8_t kHid = 0x03;
constexpr std::uint8_t kStorage = 0x08;

bool is_descriptor(const TracedTransfer& transfer, DescriptorType type) {
  return transfer.setup && transfer.setup->is_standard(usb::StandardRequest::GetDescriptor) &&
         transfer.setup->wValue >> 8 == static_cast<unsigned>(type) &&
         transfer.status == usb::Status::Ok;
}

std::string isochronous_text(const TracedTransfer& transfer) {
  std::uint64_t bytes = 0;
  std::size_t errors = 0;
  for (const auto& packet : transfer.iso_packets) {
    bytes += transfer.is_in() ? packet.actual_length : packet.length;
    errors += packet.status == usb::Status::Ok ? 0 : 1;
  }
  std::string text =
      std::to_string(transfer.iso_packets.size()) + " packets, " + std::to_string(bytes) + " bytes";
  if (errors > 0) text += ", " + std::to_string(errors) + " with errors";
  return text;
}

}  // namespace

std::string short_hex(Bytes data, std::size_t most) {
  const auto shown = data.first(std::min(most, data.size()));
  return usb::hex_bytes(shown) + (shown.size() < data.size() ? " ..." : "");
}

bool TracedSubject::learn(const TracedTransfer& transfer) {
  if (!device_.learn(transfer)) return false;
  if (is_descriptor(transfer, DescriptorType::HidReport)) {
    const auto number = static_cast<std::uint8_t>(transfer.setup->wIndex);
    reports_[number] = usb::parse_report_descriptor(device_.report_descriptor(number));
  }
  return true;
}

std::string TracedSubject::text(const TracedTransfer& transfer) const {
  if (transfer.type == TransferType::Control) return control_text(transfer);
  if (transfer.type == TransferType::Isochronous) return isochronous_text(transfer);
  auto text = class_text(transfer);
  return text.empty() ? short_hex(transfer.data) : text;
}

std::string TracedSubject::control_text(const TracedTransfer& transfer) const {
  if (!transfer.setup) return "a request that the capture does not have";
  const auto& setup = *transfer.setup;
  const auto context = device_.class_of(setup);
  auto text = usb::request_text(setup, context);
  auto said = usb::request_data_text(setup, context, transfer.data);
  if (is_descriptor(transfer, DescriptorType::String) && (setup.wValue & 0xff) != 0) {
    if (const auto string = usb::parse_string(transfer.data))
      said = '"' + service::printable(*string) + '"';
  } else if (context.code == kHid && setup.type() == usb::RequestType::Class &&
             (setup.bRequest == 1 || setup.bRequest == 9)) {
    const auto kind = setup.wValue >> 8;
    if (kind >= 1 && kind <= 3) {
      said = report_text(static_cast<std::uint8_t>(setup.wIndex),
                         static_cast<usb::HidField::Kind>(kind - 1), transfer.data);
    }
  }
  if (said.empty()) said = short_hex(transfer.data);
  return said.empty() ? text : text + ": " + said;
}

std::string TracedSubject::report_text(std::uint8_t interface_number, usb::HidField::Kind kind,
                                       Bytes data) const {
  const auto fields = reports_.find(interface_number);
  return fields == reports_.end() ? std::string()
                                  : usb::hid_report_text(fields->second, kind, data);
}

std::string TracedSubject::class_text(const TracedTransfer& transfer) const {
  if (transfer.data.empty()) return {};
  switch (device_.class_of(transfer.endpoint).code) {
    case kHid: {
      const auto kind = transfer.is_in() ? usb::HidField::Kind::Input : usb::HidField::Kind::Output;
      const auto said = report_text(device_.interface_of(transfer.endpoint), kind, transfer.data);
      return "HID report: " + (said.empty() ? short_hex(transfer.data) : said);
    }
    case kStorage:
      return usb::storage_text(transfer.data);
    case kCommunications:
      return usb::communications_notification_text(transfer.data);
    default:
      return {};
  }
}

std::string TracedSubject::descriptor_text(const TracedTransfer& transfer) const {
  const auto* model = device_.model();
  if (model == nullptr) return {};
  if (is_descriptor(transfer, DescriptorType::Configuration)) {
    const auto parsed = usb::parse_configuration(transfer.data);
    if (!parsed) return {};
    return usb::render_text(
        usb::describe_configuration(parsed->configuration, model->speed(), device_.strings()));
  }
  if (is_descriptor(transfer, DescriptorType::Bos))
    return usb::render_text(usb::describe_bos(transfer.data));
  return {};
}

}  // namespace periprox::app

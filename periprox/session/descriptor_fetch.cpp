#include "periprox/session/descriptor_fetch.hpp"

#include <algorithm>
#include <utility>

#include "periprox/usb/configuration.hpp"

namespace periprox::session {

using usb::DescriptorType;
using usb::SetupPacket;
using usb::Status;

namespace {

SetupPacket get(DescriptorType type, std::uint8_t index, std::size_t length,
                std::uint16_t language = 0) {
  return SetupPacket::get_descriptor(static_cast<std::uint8_t>(type), index,
                                     static_cast<std::uint16_t>(length), language);
}

constexpr SetupPacket kGetConfiguration{
    .bmRequestType = 0x80,
    .bRequest = static_cast<std::uint8_t>(usb::StandardRequest::GetConfiguration),
    .wLength = std::uint16_t{1}};

constexpr std::uint16_t kStringLength = 255;  // The most that a string descriptor can hold.

}  // namespace

DescriptorFetch::DescriptorFetch(usb::Device& device, usb::Speed speed,
                                 std::optional<std::uint8_t> active_configuration)
    : device_(device), speed_(speed), active_(active_configuration) {}

DescriptorFetch::~DescriptorFetch() {
  if (under_way_) under_way_.forget_sink(*this);
}

void DescriptorFetch::start(Done done) {
  done_ = std::move(done);
  ask(get(DescriptorType::Device, 0, sizeof(usb::DeviceDescriptor)), &DescriptorFetch::got_device);
}

void DescriptorFetch::give_up() {
  if (!done_) return;
  if (model_) {
    finish();
  } else {
    fail_with("its descriptors", Status::TimedOut);
  }
}

void DescriptorFetch::ask(const SetupPacket& setup, Step next) {
  next_ = next;
  auto urb = usb::Urb::create();
  urb->endpoint = usb::EndpointAddress(0, usb::Direction::In);
  urb->type = usb::TransferType::Control;
  urb->setup = setup;
  urb->length = setup.wLength;
  urb.push_sink(*this);
  under_way_ = urb.handle();
  device_.submit(std::move(urb));
}

void DescriptorFetch::on_completed(usb::Urb urb, std::uint64_t /*cookie*/) {
  under_way_ = {};
  if (!done_) return;
  const bool ok = urb->status == Status::Ok;
  (this->*next_)(urb->status, ok ? Bytes(urb->data()) : Bytes{});
}

void DescriptorFetch::got_device(Status status, Bytes data) {
  const auto descriptor = read_as<usb::DeviceDescriptor>(data);
  if (!descriptor ||
      descriptor->bDescriptorType != static_cast<std::uint8_t>(DescriptorType::Device)) {
    fail_with("its device descriptor", status);
    return;
  }
  descriptor_ = *descriptor;
  next_configuration();
}

void DescriptorFetch::next_configuration() {
  if (configuration_index_ < descriptor_.bNumConfigurations) {
    ask(get(DescriptorType::Configuration, configuration_index_,
            sizeof(usb::ConfigurationDescriptor)),
        &DescriptorFetch::got_configuration_head);
  } else if (active_) {
    mandatory_done();
  } else {
    ask(kGetConfiguration, &DescriptorFetch::got_active);
  }
}

void DescriptorFetch::got_configuration_head(Status status, Bytes data) {
  const auto head = read_as<usb::ConfigurationDescriptor>(data);
  if (!head || head->wTotalLength < sizeof(usb::ConfigurationDescriptor)) {
    fail_with("a configuration descriptor", status);
    return;
  }
  ask(get(DescriptorType::Configuration, configuration_index_, head->wTotalLength),
      &DescriptorFetch::got_configuration);
}

void DescriptorFetch::got_configuration(Status status, Bytes data) {
  auto parsed = usb::parse_configuration(data);
  if (!parsed) {
    fail_with("a configuration descriptor", status);
    return;
  }
  configurations_.push_back(std::move(parsed->configuration));
  ++configuration_index_;
  next_configuration();
}

void DescriptorFetch::got_active(Status status, Bytes data) {
  if (data.empty()) {
    fail_with("its active configuration", status);
    return;
  }
  active_ = static_cast<std::uint8_t>(data[0]);
  mandatory_done();
}

void DescriptorFetch::mandatory_done() {
  model_.emplace(speed_, descriptor_, std::move(configurations_));
  model_->set_configuration(*active_);
  if (descriptor_.bcdUSB >= 0x0201) {
    ask(get(DescriptorType::Bos, 0, sizeof(usb::BosDescriptor)), &DescriptorFetch::got_bos_head);
  } else {
    ask_languages();
  }
}

void DescriptorFetch::got_bos_head(Status /*status*/, Bytes data) {
  const auto head = read_as<usb::BosDescriptor>(data);
  if (head && head->wTotalLength >= sizeof(usb::BosDescriptor)) {
    ask(get(DescriptorType::Bos, 0, head->wTotalLength), &DescriptorFetch::got_bos);
  } else {
    ask_languages();
  }
}

void DescriptorFetch::got_bos(Status /*status*/, Bytes data) {
  model_->bos.assign(data.begin(), data.end());
  ask_languages();
}

void DescriptorFetch::ask_languages() {
  const bool has_strings =
      descriptor_.iManufacturer != 0 || descriptor_.iProduct != 0 || descriptor_.iSerialNumber != 0;
  if (has_strings) {
    ask(get(DescriptorType::String, 0, kStringLength), &DescriptorFetch::got_languages);
  } else {
    finish();
  }
}

void DescriptorFetch::got_languages(Status /*status*/, Bytes data) {
  const auto languages = usb::parse_language_list(data);
  if (languages.empty()) {
    finish();
    return;
  }
  language_ = languages.front();
  ask_string(descriptor_.iManufacturer, &DescriptorFetch::got_manufacturer);
}

/// Asks for a string, or goes on without asking when the device says it has none (index 0).
void DescriptorFetch::ask_string(std::uint8_t index, Step next) {
  if (index == 0) {
    (this->*next)(Status::Ok, {});
  } else {
    ask(get(DescriptorType::String, index, kStringLength, language_), next);
  }
}

void DescriptorFetch::got_manufacturer(Status /*status*/, Bytes data) {
  model_->manufacturer = usb::parse_string(data).value_or("");
  ask_string(descriptor_.iProduct, &DescriptorFetch::got_product);
}

void DescriptorFetch::got_product(Status /*status*/, Bytes data) {
  model_->product = usb::parse_string(data).value_or("");
  ask_string(descriptor_.iSerialNumber, &DescriptorFetch::got_serial);
}

void DescriptorFetch::got_serial(Status /*status*/, Bytes data) {
  model_->serial_number = usb::parse_string(data).value_or("");
  finish();
}

void DescriptorFetch::fail_with(const char* what, Status status) {
  const auto done = std::exchange(done_, {});
  const auto why = status == Status::Ok ? std::string("the answer makes no sense")
                                        : std::string(usb::status_name(status));
  done(fail(status == Status::Ok ? Error::Kind::Malformed : Error::Kind::Failed,
            std::string("cannot read ") + what, why));
}

void DescriptorFetch::finish() {
  const auto done = std::exchange(done_, {});
  done(std::move(*model_));
}

}  // namespace periprox::session

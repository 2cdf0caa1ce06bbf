#include "periprox/host/words.hpp"

#include "periprox/usb/hex_text.hpp"

namespace periprox::host {
namespace {

using usb::Status;

/// Where an endpoint is that the active settings don't have; empty when it is nowhere.
std::string place_in_other_setting(const usb::DeviceModel& model, usb::EndpointAddress endpoint) {
  const auto* configuration = model.active_configuration();
  if (configuration == nullptr) return {};
  for (const auto& interface : configuration->interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      for (const auto& candidate : setting.endpoints) {
        if (candidate.address() == endpoint) {
          return std::to_string(interface.number) + ":" +
                 std::to_string(setting.descriptor.bAlternateSetting);
        }
      }
    }
  }
  return {};
}

std::string why_failed(Status status) {
  switch (status) {
    case Status::Stalled:
      return "the device answered STALL";
    case Status::TimedOut:
      return "it did not complete in time";
    case Status::Babble:
      return "the device sent more than was asked for";
    case Status::DeviceGone:
    case Status::Shutdown:
      return "the device is gone";
    case Status::Killed:
      return "there is no such endpoint in the active settings";
    case Status::Cancelled:
      return "it was interrupted";
    case Status::ProtocolError:
    case Status::CrcError:
    case Status::NoResponse:
      return "the bus reports an error (" + std::string(usb::status_name(status)) + ")";
    default:
      return std::string(usb::status_name(status));
  }
}

std::string what_to_try(Status status) {
  switch (status) {
    case Status::Stalled:
      return "it does not understand the request, or the endpoint is halted; `periprox show` tells "
             "what the device has";
    case Status::TimedOut:
      return "the device may have no data now: wait longer with --timeout";
    case Status::Babble:
      return "ask for a multiple of the endpoint's packet size";
    case Status::DeviceGone:
    case Status::Shutdown:
      return "check that it is still plugged in, and that its server runs";
    case Status::ProtocolError:
    case Status::CrcError:
    case Status::NoResponse:
      return "check the cable and the hub";
    default:
      return {};
  }
}

}  // namespace

std::string endpoint_list(const usb::DeviceModel& model) {
  std::string list;
  for (int value = 1; value < 0x90; ++value) {
    if ((value & 0x70) != 0 || (value & 0x0f) == 0) continue;
    const usb::EndpointAddress address(static_cast<std::uint8_t>(value));
    const auto* info = model.endpoint(address);
    if (info == nullptr) continue;
    if (!list.empty()) list += ", ";
    list += usb::hex_text(address.value()) + (address.is_in() ? " IN " : " OUT ");
    list += usb::transfer_type_name(info->type);
  }
  return list.empty() ? "none" : list;
}

Result<void> check_endpoint(const usb::DeviceModel& model, usb::EndpointAddress endpoint) {
  const std::string what = "cannot use endpoint " + usb::hex_text(endpoint.value());
  if (endpoint.number() == 0) {
    return fail(Error::Kind::Usage, what, "endpoint 0 takes control requests only",
                "use `transfer DEVICE control ...`");
  }
  const auto* info = model.endpoint(endpoint);
  if (info == nullptr) {
    const auto place = place_in_other_setting(model, endpoint);
    if (!place.empty()) {
      return fail(Error::Kind::Usage, what, "it belongs to an alternate setting that is not active",
                  "add --setting " + place);
    }
    return fail(Error::Kind::Usage, what, "the device has no such endpoint",
                "its endpoints are: " + endpoint_list(model));
  }
  if (info->type == usb::TransferType::Isochronous) {
    return fail(Error::Kind::NotSupported, what, "it is isochronous",
                "transfer moves bulk, interrupt and control data only");
  }
  return {};
}

Error transfer_error(std::string what, Status status) {
  const bool gone = status == Status::DeviceGone || status == Status::Shutdown;
  return {gone ? Error::Kind::Gone : Error::Kind::Failed, std::move(what), why_failed(status),
          what_to_try(status)};
}

}  // namespace periprox::host

// What both kinds of session, USB/IP and ring, have to say about an URB before they pass it on, and
// about an answer before they believe it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/usb/device_model.hpp"
#include "periprox/usb/urb.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session {

/// What the USB core would say of a control URB that contradicts itself (usb_submit_urb()); empty
/// for a sound one.
[[nodiscard]] std::optional<usb::Status> judge_control(const usb::SetupPacket& setup, bool is_in,
                                                       std::uint32_t length);

/// The outcome of an URB that an importer need not send to the exporter: one that makes no sense
/// there, or SET_ADDRESS, for the address on the exporter's bus is not ours to give. Empty for all
/// others.
[[nodiscard]] std::optional<usb::Status> judge_submission(const usb::UrbData& urb,
                                                          const usb::DeviceModel& model);

/// Keeps an importer's model in step with a request that changed the device.
void note_setting(usb::DeviceModel& model, const usb::SetupPacket& setup);

/// Takes over what happened to each packet of an isochronous URB. Offset and length stay those that
/// were submitted, whatever the answer says; false, and every packet failed, when the answer
/// contradicts itself.
[[nodiscard]] bool take_iso_results(usb::UrbData& urb, std::span<const usb::IsoPacket> results,
                                    std::uint32_t actual_length);

/// The record of an imported device, if it is sound: says where the device stands.
[[nodiscard]] Result<wire::usbip::DeviceAddress> decode_import(
    const wire::usbip::DeviceRecord& record, std::string_view busid);

/// A DEVLIST reply.
[[nodiscard]] std::vector<std::byte> encode_devlist(const std::vector<ListedDevice>& devices);

}  // namespace periprox::session

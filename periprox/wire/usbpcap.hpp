// The records of USBPcap, the capture driver of Windows: link type 249.
//
// desowin.org/usbpcap/captureformat.html. Little-endian. A control transfer is two records (setup,
// and data or status at its end); isochronous packets stand between header and data.
#pragma once

#include <optional>

#include "periprox/wire/usb_record.hpp"

namespace periprox::wire::usbpcap {

/// Reads a packet of link type 249. Empty when it is no record of an URB: too short, or one of the
/// records that tell of the driver's own doings.
[[nodiscard]] std::optional<UsbRecord> decode(Bytes packet);

/// The status that a USBD_STATUS of Windows stands for.
[[nodiscard]] usb::Status status_from_usbd(std::uint32_t usbd_status);

}  // namespace periprox::wire::usbpcap

// Requests and messages by their names: what passes on a bus, for people.
#pragma once

#include <string>

#include "periprox/base/bytes.hpp"
#include "periprox/usb/descriptors.hpp"
#include "periprox/usb/setup_packet.hpp"

namespace periprox::usb {

/// "GET_DESCRIPTOR configuration 0", "HID SET_IDLE", "CDC SET_LINE_CODING": a control request to a
/// device or interface of class `context`. A vendor's or an unknown one is shown by its numbers.
[[nodiscard]] std::string request_text(const SetupPacket& setup, ClassCode context = {});

/// What the data of such a request says, in a few words: "115200 baud, 8N1"; empty when there is
/// nothing to say.
[[nodiscard]] std::string request_data_text(const SetupPacket& setup, ClassCode context,
                                            Bytes data);

/// A command block or status wrapper of Bulk-Only storage ("READ(10) LBA 2048, 8 blocks (tag 7)",
/// "passed (tag 7)"); empty when the bytes are neither.
[[nodiscard]] std::string storage_text(Bytes bytes);

/// A SCSI command by its name, with its place and length where it has them.
[[nodiscard]] std::string scsi_command_text(Bytes command);

/// A notification of a communications device ("SERIAL_STATE DCD DSR"); empty for other bytes.
[[nodiscard]] std::string communications_notification_text(Bytes bytes);

}  // namespace periprox::usb

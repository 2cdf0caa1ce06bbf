// How an URB ended: one case for each status that Linux' USB core knows
// (Documentation/driver-api/usb/error-codes.rst), so that no outcome is lost on the way.
#pragma once

#include <cstdint>
#include <string_view>

namespace periprox::usb {

enum class Status : std::uint8_t {
  Ok,
  Stalled,          ///< EPIPE: the endpoint answered STALL.
  Babble,           ///< EOVERFLOW: the device sent more than was asked for.
  ShortTransfer,    ///< EREMOTEIO: less than asked for, and SHORT_NOT_OK was set.
  ProtocolError,    ///< EPROTO: bit stuffing, no answer in time, or an unknown error.
  CrcError,         ///< EILSEQ: checksum mismatch.
  NoResponse,       ///< ETIME: the device did not answer.
  Cancelled,        ///< ECONNRESET: cancelled asynchronously.
  Killed,           ///< ENOENT: cancelled synchronously; at submit: no such endpoint.
  Shutdown,         ///< ESHUTDOWN: the device or its controller was shut down.
  DeviceGone,       ///< ENODEV: the device was unplugged.
  IsoPartial,       ///< EXDEV: an isochronous transfer only partly done.
  BufferOverrun,    ///< ECOMM: the host could not take the data fast enough.
  BufferUnderrun,   ///< ENOSR: the host could not give the data fast enough.
  TimedOut,         ///< ETIMEDOUT: a timeout in software.
  InvalidArgument,  ///< EINVAL: a field of the URB makes no sense for this endpoint.
  NoMemory,         ///< ENOMEM.
  NotConfigured,    ///< EHOSTUNREACH: the device is suspended or not configured.
  Busy,             ///< EBUSY.
  NoBandwidth,      ///< ENOSPC: the bus has no room for this periodic transfer.
  TooLarge,         ///< EMSGSIZE: an isochronous packet larger than the endpoint allows.
  BadLength,        ///< EBADR: wLength is not the length of the buffer.
  IoError,          ///< EIO.
  InProgress,       ///< EINPROGRESS: not completed yet (only in captures).
};

/// The positive Linux errno number, 0 for Ok. These are the generic Linux numbers on every host.
[[nodiscard]] int to_errno(Status status);
/// The status of a positive or negative Linux errno number; ProtocolError for one that has none.
[[nodiscard]] Status status_from_errno(int number);
/// "ok", "stalled", "device gone", …
[[nodiscard]] std::string_view status_name(Status status);

}  // namespace periprox::usb

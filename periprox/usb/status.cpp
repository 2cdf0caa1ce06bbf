// The one place where errno numbers and USB outcomes meet.
#include "periprox/usb/status.hpp"

#include <array>
#include <cstdlib>

namespace periprox::usb {
namespace {

struct Row {
  Status status;
  int number;  // include/uapi/asm-generic/errno*.h: the numbers on the wire, not this host's own
  std::string_view name;
};

constexpr std::array kStatuses{
    Row{Status::Ok, 0, "ok"},
    Row{Status::Stalled, 32, "stalled"},
    Row{Status::Babble, 75, "babble"},
    Row{Status::ShortTransfer, 121, "short transfer"},
    Row{Status::ProtocolError, 71, "protocol error"},
    Row{Status::CrcError, 84, "crc error"},
    Row{Status::NoResponse, 62, "no response"},
    Row{Status::Cancelled, 104, "cancelled"},
    Row{Status::Killed, 2, "killed or no such endpoint"},
    Row{Status::Shutdown, 108, "shut down"},
    Row{Status::DeviceGone, 19, "device gone"},
    Row{Status::IsoPartial, 18, "isochronous transfer incomplete"},
    Row{Status::BufferOverrun, 70, "buffer overrun"},
    Row{Status::BufferUnderrun, 63, "buffer underrun"},
    Row{Status::TimedOut, 110, "timed out"},
    Row{Status::InvalidArgument, 22, "invalid argument"},
    Row{Status::NoMemory, 12, "no memory"},
    Row{Status::NotConfigured, 113, "not configured"},
    Row{Status::Busy, 16, "busy"},
    Row{Status::NoBandwidth, 28, "no bandwidth"},
    Row{Status::TooLarge, 90, "packet too large"},
    Row{Status::BadLength, 53, "bad length"},
    Row{Status::IoError, 5, "i/o error"},
    Row{Status::InProgress, 115, "in progress"},
};

}  // namespace

int to_errno(Status status) { return kStatuses[static_cast<std::size_t>(status)].number; }

Status status_from_errno(int number) {
  if (number == 0) return Status::Ok;
  // Not std::abs: the most negative number, which a peer may send, has no positive counterpart.
  const auto magnitude =
      number < 0 ? 0U - static_cast<unsigned>(number) : static_cast<unsigned>(number);
  for (const auto& row : kStatuses) {
    if (static_cast<unsigned>(row.number) == magnitude) return row.status;
  }
  return Status::ProtocolError;
}

std::string_view status_name(Status status) {
  return kStatuses[static_cast<std::size_t>(status)].name;
}

}  // namespace periprox::usb

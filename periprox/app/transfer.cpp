// periprox transfer: control requests, and bulk and interrupt data, with a shell's own means.
#include <unistd.h>

#include <cerrno>

#include "periprox/app/device_session.hpp"
#include "periprox/app/json.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/host/words.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::app {
namespace {

/// Reads from standard input until `room` is full or nothing more comes; returns how many bytes.
Result<std::size_t> read_input(MutableBytes room) {
  std::size_t filled = 0;
  while (filled < room.size()) {
    const auto count = ::read(STDIN_FILENO, room.data() + filled, room.size() - filled);
    if (count == 0) break;
    if (count > 0) {
      filled += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      return tl::make_unexpected(errno_error(errno, "cannot read standard input"));
    }
  }
  return filled;
}

/// One run of the verb, on an opened device.
class Transferring {
 public:
  Transferring(const TransferOptions& options, host::Blocking& host, Output& output)
      : options_(options), host_(host), output_(output) {}

  Result<void> operator()(const ControlTransfer& transfer) {
    const auto& setup = transfer.setup;
    std::vector<std::byte> data;
    if (!setup.is_in() && setup.wLength > 0) {
      data.resize(setup.wLength);
      const auto given = read_input(data);
      if (!given) return tl::make_unexpected(given.error());
      if (*given < data.size()) {
        return fail(Error::Kind::Usage, "cannot make the control request",
                    "standard input has " + std::to_string(*given) + " bytes, wLength is " +
                        std::to_string(data.size()),
                    "give as many bytes as wLength says");
      }
    }
    const usb::EndpointAddress endpoint(0,
                                        setup.is_in() ? usb::Direction::In : usb::Direction::Out);
    auto outcome = host_.control(setup, data, options_.timeout);
    return report(endpoint, outcome, "the control request failed");
  }

  Result<void> operator()(const InTransfer& transfer) {
    if (auto checked = host::check_endpoint(model(), transfer.endpoint); !checked) return checked;
    const auto what = "reading endpoint " + usb::hex_text(transfer.endpoint.value()) + " failed";
    for (std::uint64_t i = 0; transfer.count == 0 || i < transfer.count; ++i) {
      auto outcome = host_.in(transfer.endpoint, transfer.length, options_.timeout);
      // "Until interrupted" is what was asked for.
      if (transfer.count == 0 && host_.interrupted()) return {};
      if (auto reported = report(transfer.endpoint, outcome, what); !reported) return reported;
      if (output_.is_closed()) return {};
    }
    return {};
  }

  Result<void> operator()(const OutTransfer& transfer) {
    if (auto checked = host::check_endpoint(model(), transfer.endpoint); !checked) return checked;
    const auto what = "writing endpoint " + usb::hex_text(transfer.endpoint.value()) + " failed";
    const std::uint32_t packet =
        std::max<std::uint32_t>(1, model().endpoint(transfer.endpoint)->max_packet_size);
    std::vector<std::byte> chunk(host::Local::kLongestUrb / packet * packet);
    host::Outcome sum;
    for (bool more = true; more;) {
      const auto count = read_input(chunk);
      if (!count) return tl::make_unexpected(count.error());
      more = *count == chunk.size();
      // The end came where a chunk ended: only an empty packet can still be wanted.
      if (*count == 0 && sum.actual_length > 0 && !transfer.zero_packet) break;
      const auto outcome =
          host_.out(transfer.endpoint, std::span(chunk).first(*count),
                    {.zero_packet = transfer.zero_packet && !more && *count > 0}, options_.timeout);
      sum.status = outcome.status;
      sum.actual_length += outcome.actual_length;
      if (outcome.status != usb::Status::Ok) break;
    }
    return report(transfer.endpoint, sum, what);
  }

 private:
  [[nodiscard]] const usb::DeviceModel& model() const { return host_.device().model(); }

  /// Prints what came, also when it ended badly.
  Result<void> report(usb::EndpointAddress endpoint, const host::Outcome& outcome,
                      std::string what) {
    Result<void> written;
    if (options_.json) {
      written = output_.write(outcome_json(endpoint, outcome));
    } else if (options_.hex || output_.is_terminal()) {
      const bool has_line =
          endpoint.is_in() && (!outcome.data.empty() || outcome.status == usb::Status::Ok);
      if (has_line) written = output_.write(usb::hex_bytes(outcome.data) + '\n');
    } else {
      written = output_.write(Bytes(outcome.data));
    }
    if (!written) return written;
    if (outcome.status == usb::Status::Ok) return {};
    return tl::make_unexpected(host::transfer_error(std::move(what), outcome.status));
  }

  const TransferOptions& options_;
  host::Blocking& host_;
  Output& output_;
};

Result<void> prepare(const TransferOptions& options, host::Blocking& host) {
  const auto configured = host.ensure_configured(options.timeout);
  if (configured.status != usb::Status::Ok) {
    return tl::make_unexpected(
        host::transfer_error("cannot configure the device", configured.status));
  }
  for (const auto& [interface, alternate] : options.settings) {
    const auto outcome =
        host.control(usb::SetupPacket::set_interface(interface, alternate), {}, options.timeout);
    if (outcome.status != usb::Status::Ok) {
      return tl::make_unexpected(host::transfer_error("cannot select alternate setting " +
                                                          std::to_string(interface) + ":" +
                                                          std::to_string(alternate),
                                                      outcome.status));
    }
  }
  return {};
}

}  // namespace

Result<void> transfer(const TransferOptions& options, Output& output) {
  auto session = DeviceSession::open(options.device, options.stages);
  if (!session) return forward_error(session);
  // A control request is sent as it is: it may be the one that configures the device.
  const bool is_control = std::holds_alternative<ControlTransfer>(options.transfer);
  if (!is_control || !options.settings.empty()) {
    if (auto ready = prepare(options, session->host()); !ready) return ready;
  }
  return std::visit(Transferring(options, session->host(), output), options.transfer);
}

}  // namespace periprox::app

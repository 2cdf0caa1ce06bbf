// What a case has to work with: connections to the server, the device behind them, and what kind of
// endpoints that has.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "periprox/check/imported.hpp"
#include "periprox/usb/configuration.hpp"

namespace periprox::check {

/// The server to examine, and the device of it to use.
struct Target {
  link::Address server;
  std::string busid;
  Duration patience = std::chrono::seconds(5);  ///< For each answer.
};

/// Where an endpoint is to be had.
struct Place {
  std::uint8_t configuration = 0;
  std::uint8_t interface = 0;
  std::uint8_t alternate = 0;
  usb::EndpointAddress address;
  usb::TransferType type = usb::TransferType::Bulk;
  std::uint32_t packet = 0;    ///< Bytes in one packet.
  std::uint32_t interval = 0;  ///< As an importer sends it: 0 for bulk.

  [[nodiscard]] Submit submit() const {
    return {.ep = address.number(),
            .in = address.is_in(),
            .interval = static_cast<std::int32_t>(interval)};
  }
};

/// What the device says of itself, read once with standard GET requests.
struct Survey {
  wire::usbip::DeviceRecord record;
  std::vector<usb::Configuration> configurations;
  /// Every endpoint but 0; those of the active configuration first.
  std::vector<Place> places;

  /// Those of one type and direction.
  [[nodiscard]] std::vector<Place> find(usb::TransferType type, usb::Direction direction) const;
};

/// A DEVLIST reply, read to its end.
struct DeviceList {
  struct Device {
    wire::usbip::DeviceRecord record;
    std::vector<wire::usbip::InterfaceRecord> interfaces;
  };
  std::vector<Device> devices;

  [[nodiscard]] const Device* find(std::string_view busid) const;
};

/// Serves the cases of one run.
class Probe final {
 public:
  explicit Probe(Target target);

  [[nodiscard]] const Target& target() const { return target_; }
  /// Starts the clock of a case: from now on it has `limit` for everything.
  void begin_case(Duration limit);

  [[nodiscard]] Connection connect();
  /// Asks for the list and checks that it is one, to the last byte.
  [[nodiscard]] DeviceList list();
  /// Sends an import request for `busid`; the status of the reply, and the connection behind it.
  [[nodiscard]] std::pair<Connection, std::uint32_t> ask_to_import(
      const wire::usbip::NameField<wire::usbip::kBusIdSize>& busid);
  /// Asks until the status is 0: the end of an earlier connection may not have been dealt with yet.
  void ask_until_free(const std::function<std::uint32_t()>& ask);
  /// Imports the device by its bus id, as it stands in the field of the request.
  [[nodiscard]] Imported import(const wire::usbip::NameField<wire::usbip::kBusIdSize>& busid);
  [[nodiscard]] Imported import();
  /// Surveys the device, once in a run; imports it for that.
  const Survey& survey();
  /// The same, by a case that has imported it already.
  const Survey& survey(Imported& device);

  /// Makes an endpoint usable, by SET_CONFIGURATION and SET_INTERFACE where needed.
  void go_to(Imported& device, const Place& place);

  /// An IN endpoint that answers nothing by itself; not applicable when there is none.
  [[nodiscard]] const Place& idle_in(Imported& device);
  /// A bulk IN endpoint that always has data, as gadget zero's.
  [[nodiscard]] const Place& source_in(Imported& device);
  /// A bulk OUT endpoint that takes zeros at once.
  [[nodiscard]] const Place& sink_out(Imported& device);
  /// A bulk OUT endpoint, and the bulk IN endpoint that gives back what it was sent.
  struct Echo {
    Place out;
    Place in;
  };
  [[nodiscard]] const Echo& echo(Imported& device);

 private:
  enum class Answer : std::uint8_t { Full, Other, None };
  [[nodiscard]] Answer try_out(Imported& device, const Place& place);
  /// The first place that answers so, once looked for; not applicable when there is none.
  const Place& first_of(Imported& device, std::optional<std::optional<Place>>& known,
                        const std::vector<Place>& among, Answer answer, const char* wanted);
  [[nodiscard]] std::optional<Echo> find_echo(Imported& device);

  Target target_;
  TimePoint deadline_ = TimePoint::max();
  std::optional<Survey> survey_;
  // What was looked for: nothing yet, or what there is.
  std::optional<std::optional<Place>> idle_in_;
  std::optional<std::optional<Place>> source_in_;
  std::optional<std::optional<Place>> sink_out_;
  std::optional<std::optional<Echo>> echo_;
};

}  // namespace periprox::check

// What clients say, whatever they are answered: every request and command that reaches the server
// is judged as it arrives, field by field, and at the end of the run there is a verdict for each
// field.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/check/case.hpp"
#include "periprox/usb/configuration.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::check {

/// Judges requests and commands. Cases that nothing was seen of are not applicable.
class ClientSays final {
 public:
  /// Names, expectations and references, in the order of the report.
  [[nodiscard]] static const std::vector<Case>& cases();

  /// `configuration` describes the endpoints, and `devid` the device, that were announced.
  ClientSays(const usb::Configuration& configuration, std::uint32_t devid);

  void request(const wire::usbip::OpHeader& header);
  void import(const wire::usbip::NameField<wire::usbip::kBusIdSize>& busid);
  /// A connection enters its URB phase.
  void begin_urbs() { submitted_.clear(); }
  /// `pending` are the seqnums that were not answered yet.
  void submit(const wire::usbip::CmdSubmit& header, const std::set<std::uint32_t>& pending);
  void unlink(const wire::usbip::CmdUnlink& header, const std::set<std::uint32_t>& pending);
  void iso(const wire::usbip::CmdSubmit& header,
           const std::vector<wire::usbip::IsoDescriptor>& packets);

  [[nodiscard]] Outcome outcome(const std::string& name) const;

  /// The endpoint of the device that a command is about, in any setting; null for 0 and none.
  [[nodiscard]] const usb::Endpoint* endpoint(const wire::usbip::BasicHeader& header) const;

 private:
  struct Seen {
    std::optional<std::string> wrong;  // What was wrong first.
  };
  void judge(std::string_view name, bool holds, const std::string& found);
  void basic(const wire::usbip::BasicHeader& header, const std::set<std::uint32_t>& pending);
  void control(const wire::usbip::CmdSubmit& header);

  const usb::Configuration& configuration_;
  std::uint32_t devid_;
  std::map<std::string, Seen, std::less<>> seen_;
  std::set<std::uint32_t> submitted_;  // On this connection.
};

}  // namespace periprox::check

// periprox show: every descriptor of a device, decoded.
#include <unistd.h>

#include <cstdlib>

#include "periprox/app/device_session.hpp"
#include "periprox/app/highlight.hpp"
#include "periprox/app/json.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/host/read_strings.hpp"
#include "periprox/physical/inventory.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/usb/describe.hpp"

namespace periprox::app {
namespace {

/// What this machine does with a device that is plugged into it: who drives it, may it be exported.
void describe_use(const physical::DeviceInfo& device, usb::DescriptionNode& root) {
  auto& here = root.add("On this machine", device.busid);
  for (const auto& interface : device.interfaces) {
    here.add("driver of interface " + std::to_string(interface.number),
             interface.driver.empty() ? "none" : interface.driver);
  }
  here.add("may be exported", device.refusal ? "no" : "yes", device.refusal.value_or(""));
}

}  // namespace

Result<void> show(const ShowOptions& options, Output& output) {
  auto session = DeviceSession::open(options.device, options.stages, service::Use::Look);
  if (!session) return forward_error(session);
  const auto strings = host::read_strings(session->host(), options.timeout);
  const auto& model = session->host().device().model();
  auto root = usb::describe(model, strings);
  const auto locator = service::parse_locator(options.device);
  if (const auto* plugged = locator ? std::get_if<physical::Locator>(&*locator) : nullptr) {
    if (const auto device = physical::Inventory().select(*plugged)) describe_use(*device, root);
  }
  if (options.json) return output.write(description_json(model, root));
  const auto text = usb::render_text(root);
  return output.write(wants_colour(output) ? highlight(text) : text);
}

}  // namespace periprox::app

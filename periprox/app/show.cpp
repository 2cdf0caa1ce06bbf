// periprox show: every descriptor of a device, decoded.
#include <unistd.h>

#include <cstdlib>

#include "periprox/app/device_session.hpp"
#include "periprox/app/highlight.hpp"
#include "periprox/app/json.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/host/read_strings.hpp"
#include "periprox/usb/describe.hpp"

namespace periprox::app {

Result<void> show(const ShowOptions& options, Output& output) {
  auto session = DeviceSession::open(options.device, options.stages);
  if (!session) return forward_error(session);
  const auto strings = host::read_strings(session->host(), options.timeout);
  const auto& model = session->host().device().model();
  const auto root = usb::describe(model, strings);
  if (options.json) return output.write(description_json(model, root));
  const auto text = usb::render_text(root);
  return output.write(wants_colour(output) ? highlight(text) : text);
}

}  // namespace periprox::app

#include "periprox/service/open_physical.hpp"

#include <memory>
#include <utility>

#include "periprox/loop/loop.hpp"
#include "periprox/physical/inventory.hpp"
#include "periprox/physical/open_device.hpp"

namespace periprox::service {

void open_physical(Loop& loop, physical::BlockingPool& pool, const physical::Locator& locator,
                   Use use, std::function<void(std::string_view advice)> advise,
                   std::function<void(Result<OpenedDevice>)> done) {
  auto found = physical::Inventory().select(locator);
  if (!found) {
    loop.post([done = std::move(done), error = std::move(found).error()]() mutable {
      done(tl::make_unexpected(std::move(error)));
    });
    return;
  }
  const wire::usbip::DeviceAddress address{.path = found->sysfs.string(),
                                           .busid = found->busid,
                                           .busnum = static_cast<std::uint16_t>(found->busnum),
                                           .devnum = static_cast<std::uint16_t>(found->devnum)};
  auto opened = [address, done = std::move(done)](auto device) {
    if (device) {
      done(OpenedDevice{.device = std::move(*device), .address = address});
    } else {
      done(forward_error(device));
    }
  };
  physical::OpenOptions options;
  options.look = use == Use::Look;
  if (advise) {
    // Comes from either thread; people are told on the loop's.
    options.device.advise = [&loop, advise = std::move(advise)](std::string_view advice) {
      loop.post([advise, text = std::string(advice)] { advise(text); });
    };
  }
  physical::open_device(loop, pool, std::move(*found), std::move(options), std::move(opened));
}

}  // namespace periprox::service

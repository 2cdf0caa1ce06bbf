// virtual_ports.hpp on Linux: vhci_hcd through sysfs.
#ifdef __linux__

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <utility>

#include "periprox/host/local_device.hpp"
#include "periprox/host/port_records.hpp"
#include "periprox/host/unplug_request.hpp"
#include "periprox/host/vhci.hpp"
#include "periprox/host/virtual_ports.hpp"
#include "periprox/link/pump.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/physical/names.hpp"
#include "periprox/physical/sysfs.hpp"
#include "periprox/session/usbip_server.hpp"

namespace periprox::host {
namespace {

/// How often sysfs is looked at while something is expected of the kernel.
constexpr auto kLookAgain = std::chrono::milliseconds(20);

PortUse use_of(PortState state) {
  switch (state) {
    case PortState::Free:
      return PortUse::Free;
    case PortState::Enumerating:
      return PortUse::Enumerating;
    case PortState::InUse:
      return PortUse::InUse;
    case PortState::Error:
      return PortUse::InError;
  }
  return PortUse::InError;
}

/// Devices that no server placed are told apart by a number of their own.
wire::usbip::DeviceAddress address_of(std::uint32_t devid) {
  return {.path = {},
          .busid = std::to_string(devid >> 16) + "-" + std::to_string(devid & 0xffff),
          .busnum = static_cast<std::uint16_t>(devid >> 16),
          .devnum = static_cast<std::uint16_t>(devid)};
}

std::vector<std::string> each_once(std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

}  // namespace

struct VirtualPorts::Impl : std::enable_shared_from_this<VirtualPorts::Impl> {
  /// A device that this process attached.
  struct Attachment {
    std::uint64_t id = 0;
    std::uint32_t devid = 0;
    OnEvent on_event;
    std::shared_ptr<usb::Device> device;
    std::unique_ptr<link::Pump> pump;  ///< Null when the kernel has the connection itself.
    std::optional<link::Listener> unplug_requests;
    bool detaching = false;
    TimePoint deadline;                         ///< For the kernel to configure it.
    std::optional<TimePoint> binding_deadline;  ///< Once it is configured.
  };

  Impl(Loop& the_loop, Vhci the_vhci, VirtualPortsOptions the_options)
      : loop(the_loop), vhci(std::move(the_vhci)), options(the_options) {}

  ~Impl() {
    // The kernel unplugs what loses its connection; the records are ours to remove.
    for (const auto& [number, attachment] : attachments) {
      if (attachment.pump) records.remove(number);
    }
  }

  VirtualPort describe(const VhciPort& row) const {
    VirtualPort port{.number = row.number,
                     .is_super = row.is_super,
                     .use = use_of(row.state),
                     .speed = row.speed,
                     .devid = row.devid,
                     .busid = row.busid};
    if (row.state == PortState::Free) return port;
    if (!port.busid.empty()) {
      auto device = look_at_device(paths, port.busid);
      port.drivers = each_once(std::move(device.drivers));
      port.idVendor = device.idVendor;
      port.idProduct = device.idProduct;
    }
    if (auto origin = records.read(row.number, row.devid)) {
      port.locator = std::move(origin->locator);
      port.process = origin->process;
      port.since = origin->since;
      port.name = std::move(origin->name);
    } else if (const auto stock = records.read_stock(row.number)) {
      port.locator = "usbip://" + stock->host + ":" + stock->port + "/" + stock->busid;
    }
    if (port.name.empty()) {
      port.name = names.vendor(port.idVendor);
      const auto product = names.product(port.idVendor, port.idProduct);
      if (!product.empty()) port.name += (port.name.empty() ? "" : " ") + std::string(product);
    }
    return port;
  }

  VirtualPort describe(unsigned number) const {
    if (const auto row = vhci.port(number)) return describe(*row);
    return {.number = number};
  }

  void remember(unsigned port, std::uint32_t devid, const Origin& origin,
                const usb::DeviceModel* model, pid_t process) const {
    PortOrigin ours{.locator = origin.locator, .process = process, .devid = devid};
    ours.since =
        std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    if (model != nullptr) {
      ours.name = model->manufacturer;
      if (!model->product.empty()) ours.name += (ours.name.empty() ? "" : " ") + model->product;
      ours.idVendor = model->descriptor().idVendor;
      ours.idProduct = model->descriptor().idProduct;
    }
    StockOrigin stock{origin.server_host, origin.server_port, origin.server_busid};
    if (stock.host.empty()) stock = {"periprox", "0", origin.locator};
    // Without a record the port works all the same.
    static_cast<void>(records.write(port, ours, stock));
  }

  Result<unsigned> attach(std::shared_ptr<usb::Device> device, std::uint32_t devid,
                          const Origin& origin, OnEvent on_event) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      return tl::make_unexpected(errno_error(errno, "cannot make a socket pair"));
    }
    const UniqueFd kernel_end(ends[0]);
    UniqueFd our_end(ends[1]);
    link::tune_socket(kernel_end.get());
    link::tune_socket(our_end.get());
    const auto attached = vhci.attach(kernel_end.get(), devid, device->model().speed());
    if (!attached) return tl::make_unexpected(attached.error());

    const unsigned number = attached->port;
    auto& attachment = add(number, devid, std::move(on_event));
    attachment.device = std::move(device);
    remember(number, devid, origin, &attachment.device->model(), ::getpid());
    auto server = std::make_unique<session::UsbipServer>(
        session::Lease(*attachment.device, address_of(devid), {}));
    attachment.pump = std::make_unique<link::Pump>(
        loop, std::move(our_end), std::move(server),
        [this, number, id = attachment.id](Protocol& protocol) { hung_up(number, id, protocol); });
    attachment.unplug_requests = hear_unplug_requests(loop, records.unplug_socket(number),
                                                      [this, number, id = attachment.id] {
                                                        if (auto* asked = find(number, id))
                                                          unplug(*asked);
                                                      });
    watch(number, attachment.id);
    return number;
  }

  Result<unsigned> attach_socket(UniqueFd socket, std::uint32_t devid, usb::Speed speed,
                                 const Origin& origin, OnEvent on_event) {
    const auto attached = vhci.attach(socket.get(), devid, speed);
    if (!attached) return tl::make_unexpected(attached.error());
    auto& attachment = add(attached->port, devid, std::move(on_event));
    remember(attached->port, devid, origin, nullptr, 0);
    watch(attached->port, attachment.id);
    return attached->port;
  }

  Attachment& add(unsigned number, std::uint32_t devid, OnEvent on_event) {
    auto& attachment = attachments[number];
    attachment = {};
    attachment.id = ++last_id;
    attachment.devid = devid;
    attachment.on_event = std::move(on_event);
    attachment.deadline = loop.now() + options.enumeration;
    return attachment;
  }

  Attachment* find(unsigned number, std::uint64_t id) {
    const auto it = attachments.find(number);
    return it != attachments.end() && it->second.id == id ? &it->second : nullptr;
  }

  /// Looks whether the kernel has made something of the device, again and again until it has.
  void watch(unsigned number, std::uint64_t id) {
    loop.call_at(loop.now() + kLookAgain, [self = weak_from_this(), number, id] {
      if (const auto impl = self.lock()) impl->look(number, id);
    });
  }

  void look(unsigned number, std::uint64_t id) {
    auto* attachment = find(number, id);
    if (attachment == nullptr) return;
    const auto row = vhci.port(number);
    LocalDevice device;
    if (row && row->state == PortState::InUse) device = look_at_device(paths, row->busid);
    const auto now = loop.now();
    // The interfaces of a configuration appear one after another.
    const std::size_t expected =
        attachment->device ? attachment->device->model().interface_classes().size() : 1;
    const bool is_configured = device.interfaces > 0 && device.interfaces >= expected;
    if (is_configured && !attachment->binding_deadline) {
      attachment->binding_deadline = now + options.binding;
    }
    const bool all_bound = is_configured && device.drivers.size() >= device.interfaces;
    if (all_bound || (attachment->binding_deadline && now >= *attachment->binding_deadline)) {
      settle(number, *attachment, PortEvent::Kind::Ready);
    } else if (!attachment->binding_deadline && now >= attachment->deadline) {
      settle(number, *attachment, PortEvent::Kind::Unready);
    } else {
      watch(number, id);
    }
  }

  void settle(unsigned number, Attachment& attachment, PortEvent::Kind kind) {
    const auto tell = attachment.on_event;
    const PortEvent event{.kind = kind, .port = describe(number), .error = {}};
    if (!attachment.pump) attachments.erase(number);  // The kernel's business from now on.
    tell(event);
  }

  /// The connection to the kernel is closed: because the port was detached, because the device is
  /// gone, or because the kernel found something wrong.
  void hung_up(unsigned number, std::uint64_t id, const Protocol& protocol) {
    auto* attachment = find(number, id);
    if (attachment == nullptr) return;
    PortEvent event{.kind = PortEvent::Kind::Ended, .port = {.number = number}, .error = {}};
    if (attachment->detaching) {
      // As it was asked to.
    } else if (dynamic_cast<const session::UsbipServer&>(protocol).device_is_gone()) {
      event.error = Error{Error::Kind::Gone,
                          "the device is gone",
                          "it was unplugged, or the connection to it broke",
                          {}};
    } else if (protocol.failure()) {
      event.error = protocol.failure();
    }
    const auto tell = std::move(attachment->on_event);
    const auto device = std::move(attachment->device);
    auto pump = std::move(attachment->pump);
    attachments.erase(number);
    records.remove(number);
    pump.reset();  // Before the device, which it uses.
    tell(event);
  }

  /// All that the kernel waits for is answered, then the connection ends, and so the kernel
  /// unplugs.
  static void unplug(Attachment& attachment) {
    attachment.detaching = true;
    dynamic_cast<session::UsbipServer&>(attachment.pump->protocol()).unplug();
  }

  void detach(unsigned number, Done done) {
    const auto mine = attachments.find(number);
    if (mine != attachments.end() && mine->second.pump) {
      unplug(mine->second);
      await_free(number, loop.now() + options.detaching, std::move(done));
      return;
    }
    request_unplug(loop, records.unplug_socket(number), options.hearing,
                   [self = weak_from_this(), number, done = std::move(done)](bool heard) mutable {
                     const auto impl = self.lock();
                     if (!impl) return;
                     if (!heard) {
                       impl->have_kernel_detach(number, std::move(done));
                     } else {
                       impl->await_free(number, impl->loop.now() + impl->options.detaching,
                                        std::move(done));
                     }
                   });
  }

  /// What is left for ports that no process of ours serves, or one that does not listen.
  void have_kernel_detach(unsigned number, Done done) {
    if (auto written = vhci.detach(number); !written) {
      loop.post([done = std::move(done), written] { done(written); });
      return;
    }
    await_free(number, loop.now() + options.detaching, std::move(done));
  }

  void await_free(unsigned number, TimePoint deadline, Done done) {
    const auto row = vhci.port(number);
    const bool mine = attachments.contains(number);
    if ((!row || row->state == PortState::Free) && !mine) {
      records.remove(number);
      loop.post([done = std::move(done)] { done({}); });
      return;
    }
    if (loop.now() >= deadline) {
      loop.post([done = std::move(done), number] {
        done(fail(Error::Kind::Failed, "port " + std::to_string(number) + " is not free yet",
                  "the kernel still takes the device out of it",
                  "a program may still use the device; `dmesg | tail` may say more"));
      });
      return;
    }
    loop.call_at(loop.now() + kLookAgain,
                 [self = weak_from_this(), number, deadline, done = std::move(done)]() mutable {
                   if (const auto impl = self.lock()) {
                     impl->await_free(number, deadline, std::move(done));
                   }
                 });
  }

  Loop& loop;
  Vhci vhci;
  VirtualPortsOptions options;
  physical::SystemPaths paths;
  PortRecords records;
  physical::UsbNames names;
  std::map<unsigned, Attachment> attachments;
  std::uint64_t last_id = 0;
};

Result<std::unique_ptr<VirtualPorts>> VirtualPorts::open(Loop& loop, VirtualPortsOptions options) {
  auto vhci = Vhci::open();
  if (!vhci) return forward_error(vhci);
  return std::unique_ptr<VirtualPorts>(
      new VirtualPorts(std::make_shared<Impl>(loop, std::move(*vhci), options)));
}

VirtualPorts::VirtualPorts(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
VirtualPorts::~VirtualPorts() = default;

std::vector<VirtualPort> VirtualPorts::list() const {
  std::vector<VirtualPort> ports;
  for (const auto& row : impl_->vhci.ports()) ports.push_back(impl_->describe(row));
  return ports;
}

Result<unsigned> VirtualPorts::attach(std::shared_ptr<usb::Device> device, std::uint32_t devid,
                                      const Origin& origin, OnEvent on_event) {
  return impl_->attach(std::move(device), devid, origin, std::move(on_event));
}

Result<unsigned> VirtualPorts::attach_socket(UniqueFd socket, std::uint32_t devid, usb::Speed speed,
                                             const Origin& origin, OnEvent on_event) {
  return impl_->attach_socket(std::move(socket), devid, speed, origin, std::move(on_event));
}

void VirtualPorts::detach(unsigned port, Done done) { impl_->detach(port, std::move(done)); }

Result<unsigned> VirtualPorts::find(std::string_view name) const {
  const auto what = "cannot find the port '" + std::string(name) + "'";
  const auto number = physical::parse_number(name);
  std::optional<unsigned> found;
  bool exists = false;
  for (const auto& port : list()) {
    if (number && port.number == *number) exists = true;
    if (port.use == PortUse::Free) continue;
    if (number ? port.number != *number : port.busid != name && port.locator != name) continue;
    if (found) {
      return fail(Error::Kind::Usage, what, "more than one device came from there",
                  "name the port by its number; `periprox ports` shows them");
    }
    found = port.number;
  }
  if (found) return *found;
  return fail(Error::Kind::NotFound, what,
              number && !exists ? "there is no port of that number"
              : number          ? "nothing is plugged in there"
                                : "no port has a device of that bus id or locator",
              "`periprox ports` shows the ports in use");
}

}  // namespace periprox::host

#endif

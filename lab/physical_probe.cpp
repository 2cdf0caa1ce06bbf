// Drives real devices through periprox::physical, inside a guest of the lab: what only a kernel
// with a host controller can tell about usbfs. Each command prints "ok - NAME" or "not ok - NAME:
// WHY" for each thing it looked at, and fails if any of them failed.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "periprox/loop/loop.hpp"
#include "periprox/loop/signals.hpp"
#include "periprox/physical/hotplug.hpp"
#include "periprox/physical/names.hpp"
#include "periprox/physical/open_device.hpp"

namespace periprox::physical {
namespace {

using usb::EndpointAddress;
using usb::SetupPacket;
using usb::Status;
using usb::TransferType;

/// A device on a loop, and URBs on it one or many at a time.
class Bench final : public usb::CompletionSink {
 public:
  bool open(const std::string& words) {
    auto info = Inventory().select(words);
    if (!info) return report("open", info.error().text());
    busid = info->busid;
    OpenOptions options;
    options.device.advise = [](std::string_view text) { std::cout << "# " << text << "\n"; };
    std::string failure;
    bool finished = false;
    open_device(loop, pool, *info, options, [&](Result<std::unique_ptr<UsbfsDevice>> opened) {
      finished = true;
      if (opened) device = std::move(*opened);
      if (!opened) failure = opened.error().text();
    });
    run_until([&] { return finished; });
    if (device) device->on_gone([this] { gone = true; });
    return report("open", failure);
  }

  void close() {
    device.reset();
    pool.wait_until_idle();
  }

  bool report(const std::string& name, const std::string& failure) {
    std::cout << (failure.empty() ? "ok - " + name : "not ok - " + name + ": " + failure) << "\n"
              << std::flush;
    failures += failure.empty() ? 0 : 1;
    return failure.empty();
  }

  void expect(const std::string& name, bool good, const usb::Urb& urb) {
    report(name, good ? ""
                      : std::string(usb::status_name(urb->status)) + ", " +
                            std::to_string(urb->actual_length) + " bytes");
  }

  usb::Urb make(EndpointAddress endpoint, std::uint32_t length) {
    auto urb = usb::Urb::create();
    urb->endpoint = endpoint;
    urb->length = length;
    if (!endpoint.is_in() && length > 0) {
      urb->payload = device->allocate(length);
      std::memset(urb->payload.data(), 0, length);
    }
    return urb;
  }

  usb::Urb transfer(usb::Urb urb) {
    last = {};
    bool finished = false;
    then = [&](usb::Urb done) {
      last = std::move(done);
      finished = true;
    };
    urb.push_sink(*this);
    device->submit(std::move(urb));
    run_until([&] { return finished; });
    return std::move(last);
  }

  usb::Urb control(const SetupPacket& setup) {
    const auto direction = setup.is_in() ? usb::Direction::In : usb::Direction::Out;
    auto urb = make(EndpointAddress(0, direction), setup.wLength);
    urb->setup = setup;
    return transfer(std::move(urb));
  }

  void on_completed(usb::Urb urb, std::uint64_t) override { then(std::move(urb)); }

  void run_until(const std::function<bool()>& done) { loop.run_until(done); }

  Loop loop;
  BlockingPool pool;
  std::unique_ptr<UsbfsDevice> device;
  std::string busid;
  std::function<void(usb::Urb)> then;
  usb::Urb last;
  bool gone = false;
  int failures = 0;
};

EndpointAddress find_endpoint(const usb::DeviceModel& model, TransferType type, bool in) {
  for (std::uint8_t number = 1; number < 16; ++number) {
    const EndpointAddress address(number, in ? usb::Direction::In : usb::Direction::Out);
    const auto* info = model.endpoint(address);
    if (info != nullptr && info->type == type) return address;
  }
  return {};
}

void exercise_control(Bench& bench) {
  const auto device = bench.control(SetupPacket::get_descriptor(1, 0, 18));
  bench.expect("device descriptor", device->status == Status::Ok && device->actual_length == 18,
               device);
  const auto longer = bench.control(SetupPacket::get_descriptor(2, 0, 4096));
  bench.expect("short control answer", longer->status == Status::Ok && longer->actual_length < 4096,
               longer);
  const auto stalled = bench.control(SetupPacket::get_descriptor(0x77, 0, 9));
  bench.expect("stall", stalled->status == Status::Stalled, stalled);
  const auto after = bench.control(SetupPacket::get_descriptor(1, 0, 18));
  bench.expect("request after a stall", after->status == Status::Ok, after);
  const auto nobody = bench.control({0x82, 0, 0, 0x0e, 2});
  bench.expect("request to no endpoint", nobody->status == Status::Stalled, nobody);
  const auto address = bench.control({0x00, 5, 77, 0, 0});
  bench.expect("SET_ADDRESS", address->status == Status::Ok, address);
}

void exercise_bulk(Bench& bench, EndpointAddress in, EndpointAddress out) {
  for (const std::uint32_t length : {0U, 1U, 512U, 4096U, 65536U, 1048576U, 6291456U}) {
    const auto name = std::to_string(length) + " bytes";
    const auto sent = bench.transfer(bench.make(out, length));
    bench.expect("bulk OUT of " + name, sent->status == Status::Ok && sent->actual_length == length,
                 sent);
    if (length == 0 || length % 512 != 0) continue;  // The source fills packets: it would babble.
    const auto got = bench.transfer(bench.make(in, length));
    bench.expect("bulk IN of " + name, got->status == Status::Ok && got->actual_length == length,
                 got);
  }
  const auto huge = bench.transfer(bench.make(out, 32U << 20));
  bench.expect("bulk OUT of 32 MiB is refused for memory", huge->status == Status::NoMemory, huge);
  auto zero = bench.make(out, 512);
  zero->flags.zero_packet = true;
  const auto ended = bench.transfer(std::move(zero));
  bench.expect("ZERO_PACKET", ended->status == Status::Ok, ended);
}

/// 4 URBs of 6 MiB do not fit under the default limit of 16 MiB together.
void exercise_back_pressure(Bench& bench, EndpointAddress out) {
  int ok = 0;
  int returned = 0;
  bench.then = [&](usb::Urb urb) {
    ++returned;
    ok += urb->status == Status::Ok ? 1 : 0;
  };
  for (int i = 0; i < 4; ++i) {
    auto urb = bench.make(out, 6U << 20);
    urb.push_sink(bench);
    bench.device->submit(std::move(urb));
  }
  bench.run_until([&] { return returned == 4; });
  bench.report("more than usbfs_memory_mb waits", ok == 4 ? "" : std::to_string(ok) + " of 4");
}

void exercise_cancel(Bench& bench, EndpointAddress in, int urbs) {
  std::mt19937 random(1);
  std::vector<usb::UrbHandle> pending(static_cast<std::size_t>(urbs));
  std::vector<int> returned(pending.size());
  int outstanding = 0;
  int cancelled = 0;
  int ok = 0;
  int other = 0;
  bench.then = [](usb::Urb) {};
  struct Sink final : usb::CompletionSink {
    std::function<void(usb::Urb, std::uint64_t)> call;
    void on_completed(usb::Urb urb, std::uint64_t cookie) override { call(std::move(urb), cookie); }
  } sink;
  sink.call = [&](usb::Urb urb, std::uint64_t cookie) {
    pending[cookie] = {};
    ++returned[cookie];
    --outstanding;
    if (urb->status == Status::Cancelled) {
      ++cancelled;
    } else if (urb->status == Status::Ok && urb->actual_length == 4096) {
      ++ok;
    } else {
      ++other;
    }
  };
  for (int i = 0; i < urbs; ++i) {
    auto urb = bench.make(in, 4096);
    urb.push_sink(sink, static_cast<std::uint64_t>(i));
    pending[static_cast<std::size_t>(i)] = urb.handle();
    ++outstanding;
    bench.device->submit(std::move(urb));
    const auto victim =
        static_cast<std::size_t>(std::max<int>(0, i - static_cast<int>(random() % 8)));
    if (random() % 2 == 0 && pending[victim]) bench.device->cancel(pending[victim]);
    bench.run_until([&] { return outstanding < 8; });
  }
  bench.run_until([&] { return outstanding == 0; });
  const bool once = std::all_of(returned.begin(), returned.end(), [](int n) { return n == 1; });
  const auto counts = std::to_string(cancelled) + " cancelled, " + std::to_string(ok) +
                      " in time, " + std::to_string(other) + " otherwise";
  std::cout << "# " << counts << "\n";
  bench.report("cancels racing with completions",
               once && other == 0 && cancelled > 0 && ok > 0 ? "" : counts);
}

void exercise_special(Bench& bench, EndpointAddress in, EndpointAddress out) {
  const auto works = [&](const std::string& what) {
    const auto sent = bench.transfer(bench.make(out, 512));
    bench.expect("bulk OUT " + what, sent->status == Status::Ok, sent);
    const auto got = bench.transfer(bench.make(in, 512));
    bench.expect("bulk IN " + what, got->status == Status::Ok, got);
  };
  const auto halted = bench.control({0x02, 3, 0, in.value(), 0});
  bench.expect("SET_FEATURE(ENDPOINT_HALT)", halted->status == Status::Ok, halted);
  const auto stalled = bench.transfer(bench.make(in, 512));
  bench.expect("bulk IN of a halted endpoint", stalled->status == Status::Stalled, stalled);
  const auto cleared = bench.control(SetupPacket::clear_halt(in));
  bench.expect("CLEAR_FEATURE(ENDPOINT_HALT)", cleared->status == Status::Ok, cleared);
  works("after CLEAR_FEATURE(ENDPOINT_HALT)");
  const auto setting = bench.control(SetupPacket::set_interface(0, 0));
  bench.expect("SET_INTERFACE", setting->status == Status::Ok, setting);
  works("after SET_INTERFACE");
  const auto value = bench.device->model().configuration_value();
  const auto same = bench.control(SetupPacket::set_configuration(value));
  bench.expect("SET_CONFIGURATION, same value", same->status == Status::Ok, same);
  works("after SET_CONFIGURATION");
  const auto none = bench.control(SetupPacket::set_configuration(0));
  bench.expect("SET_CONFIGURATION(0)", none->status == Status::Ok, none);
  const auto dead = bench.transfer(bench.make(in, 512));
  bench.expect("bulk IN when not configured", dead->status == Status::Killed, dead);
  const auto again = bench.control(SetupPacket::set_configuration(value));
  bench.expect("SET_CONFIGURATION back", again->status == Status::Ok, again);
  works("after SET_CONFIGURATION back");
  const auto reset = bench.control(SetupPacket::port_reset());
  bench.expect("PORT_RESET", reset->status == Status::Ok, reset);
  works("after PORT_RESET");
}

int exercise(const std::string& words, int urbs) {
  Bench bench;
  if (!bench.open(words)) return 1;
  const auto in = find_endpoint(bench.device->model(), TransferType::Bulk, true);
  const auto out = find_endpoint(bench.device->model(), TransferType::Bulk, false);
  exercise_control(bench);
  exercise_bulk(bench, in, out);
  exercise_back_pressure(bench, out);
  exercise_special(bench, in, out);
  exercise_cancel(bench, in, urbs);
  bench.close();
  return bench.failures;
}

/// A SCSI INQUIRY by the bulk-only transport: command, data, status.
int inquiry(const std::string& words) {
  Bench bench;
  if (!bench.open(words)) return 1;
  const auto in = find_endpoint(bench.device->model(), TransferType::Bulk, true);
  const auto out = find_endpoint(bench.device->model(), TransferType::Bulk, false);
  const unsigned char command[31] = {'U', 'S', 'B',  'C', 1, 0,    0, 0, 36, 0,
                                     0,   0,   0x80, 0,   6, 0x12, 0, 0, 0,  36};
  auto urb = bench.make(out, sizeof command);
  std::memcpy(urb->payload.data(), command, sizeof command);
  const auto sent = bench.transfer(std::move(urb));
  bench.expect("command", sent->status == Status::Ok, sent);
  const auto data = bench.transfer(bench.make(in, 36));
  bench.expect("data", data->status == Status::Ok && data->actual_length == 36, data);
  const auto status = bench.transfer(bench.make(in, 13));
  bench.expect("status", status->status == Status::Ok && status->actual_length == 13, status);
  std::cout << "# " << std::string(reinterpret_cast<char*>(data->payload.data()) + 8, 24) << "\n";
  bench.close();
  return bench.failures;
}

/// Streams `urbs` transfers of 300 packets each to the first isochronous OUT endpoint.
int isochronous(const std::string& words, int urbs) {
  Bench bench;
  if (!bench.open(words)) return 1;
  EndpointAddress out;
  for (const auto& interface : bench.device->model().active_configuration()->interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      if (setting.endpoints.empty() || out.number() != 0) continue;
      const auto& endpoint = setting.endpoints.front();
      if (endpoint.type() != TransferType::Isochronous || endpoint.address().is_in()) continue;
      const auto set = bench.control(
          SetupPacket::set_interface(interface.number, setting.descriptor.bAlternateSetting));
      bench.expect("SET_INTERFACE", set->status == Status::Ok, set);
      out = endpoint.address();
    }
  }
  std::size_t good = 0;
  int returned = 0;
  int submitted = 0;
  bench.then = [&](usb::Urb urb) {
    ++returned;
    for (const auto& packet : urb->iso_packets) good += packet.status == Status::Ok ? 1 : 0;
  };
  const auto submit = [&] {
    auto urb = bench.make(out, 300 * 192);
    for (std::uint32_t i = 0; i < 300; ++i)
      urb->iso_packets.push_back({i * 192, 192, 0, Status::Ok});
    urb.push_sink(bench);
    ++submitted;
    bench.device->submit(std::move(urb));
  };
  while (returned < urbs) {
    while (submitted < urbs && submitted - returned < 3) submit();
    const int seen = returned;
    bench.run_until([&] { return returned > seen; });
  }
  bench.report("isochronous packets",
               good == static_cast<std::size_t>(urbs) * 300
                   ? ""
                   : std::to_string(good) + " good of " + std::to_string(urbs * 300));
  bench.close();
  return bench.failures;
}

/// Keeps a device, with IN URBs pending, until a signal or an unplug.
int hold(const std::string& words) {
  Bench bench;
  if (!bench.open(words)) return 1;
  bool stop = false;
  const Signals signals(bench.loop, {SIGINT, SIGTERM}, [&] { stop = true; });
  int gone_urbs = 0;
  bench.then = [&](usb::Urb urb) {
    if (urb->status == Status::DeviceGone) {
      ++gone_urbs;
    } else if (!stop) {
      auto next = bench.make(urb->endpoint, urb->length);
      next.push_sink(bench);
      bench.device->submit(std::move(next));
    }
  };
  int submitted = 0;
  for (std::uint8_t number = 1; number < 16; ++number) {
    const EndpointAddress address(number, usb::Direction::In);
    if (bench.device->model().endpoint(address) == nullptr) continue;
    ++submitted;
    auto urb = bench.make(address, 512);
    urb.push_sink(bench);
    bench.device->submit(std::move(urb));
  }
  std::cout << "holding " << bench.busid << "\n" << std::flush;
  bench.run_until([&] { return stop || bench.gone; });
  if (bench.gone) {
    bench.report("pending URBs end with the device",
                 gone_urbs == submitted ? "" : std::to_string(gone_urbs));
  }
  stop = true;
  bench.close();
  return bench.failures;
}

int list() {
  const UsbNames names;
  for (const auto& device : Inventory().list()) {
    std::printf("%s %04x:%04x %s %s/%s", device.busid.c_str(), device.idVendor(),
                device.idProduct(), std::string(usb::speed_name(device.model.speed())).c_str(),
                std::string(names.vendor(device.idVendor())).c_str(),
                std::string(names.product(device.idVendor(), device.idProduct())).c_str());
    for (const auto& interface : device.interfaces) {
      std::printf(" %d=%s", interface.number, interface.driver.c_str());
    }
    std::printf(" %s\n", device.refusal.value_or("exportable").c_str());
  }
  return 0;
}

int restore() {
  for (const auto& restored : ClaimJournal(SystemPaths{}).restore_abandoned()) {
    std::cout << restored.busid << " restored " << restored.interfaces.size() << " left "
              << restored.left.size() << "\n";
  }
  return 0;
}

/// Prints what comes and goes until a signal.
int watch() {
  Loop loop;
  const Hotplug hotplug(
      loop, {}, [](const auto& device) { std::cout << "added " << device.busid << std::endl; },
      [](const auto& device) { std::cout << "removed " << device.busid << std::endl; });
  std::cout << (hotplug.listens_to_kernel() ? "listening" : "polling") << std::endl;
  const Signals signals(loop, {SIGINT, SIGTERM}, [&] { loop.stop(); });
  loop.run();
  return 0;
}

int run(const std::vector<std::string>& words) {
  const auto word = [&](std::size_t i) { return i < words.size() ? words[i] : std::string(); };
  const auto count = [&](std::size_t i, int otherwise) {
    return i < words.size() ? std::stoi(words[i]) : otherwise;
  };
  if (word(0) == "list") return list();
  if (word(0) == "exercise") return exercise(word(1), count(2, 10000));
  if (word(0) == "inquiry") return inquiry(word(1));
  if (word(0) == "isochronous") return isochronous(word(1), count(2, 10));
  if (word(0) == "hold") return hold(word(1));
  if (word(0) == "restore") return restore();
  if (word(0) == "watch") return watch();
  std::cerr << "usage: physical_probe list | restore | watch | exercise DEVICE [URBS] |\n"
               "       inquiry DEVICE | isochronous DEVICE [URBS] | hold DEVICE\n";
  return 2;
}

}  // namespace
}  // namespace periprox::physical

int main(int argc, char** argv) {
  const int failures = periprox::physical::run({argv + 1, argv + argc});
  return failures == 0 ? 0 : failures == 2 ? 2 : 1;
}

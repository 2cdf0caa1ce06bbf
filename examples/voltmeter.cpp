// A voltmeter that does not exist: a complete USB device with a reading on an interrupt endpoint
// and a vendor request that sets its range. `usbip attach -r 127.0.0.1 -b 1-1` plugs it in.
#include <cstdio>
#include <memory>

#include "periprox/emulated/emulated_device.hpp"
#include "periprox/service/device_server.hpp"

using namespace periprox::emulated;
using namespace std::chrono_literals;

namespace {

struct Voltmeter {
  std::uint16_t range_mv = 5000;
  std::uint16_t reading_mv = 0;

  std::uint16_t measure() {
    reading_mv = static_cast<std::uint16_t>((reading_mv + 100) % (range_mv + 1));
    return reading_mv;
  }
};

Declaration voltmeter_declaration() {
  auto meter = std::make_shared<Voltmeter>();
  const auto send_reading = [meter](InTransfer transfer) {
    const periprox::le16 value = meter->measure();
    transfer.send(periprox::bytes_of(value));
  };
  const auto set_range = [meter](ControlTransfer transfer) {
    meter->range_mv = transfer.setup().wValue;
    transfer.accept();
  };
  const AlternateSetting setting{
      .class_code = {0xff, 0, 0},
      .endpoints = {interrupt_in(1, {.max_packet_size = 2, .interval = 10ms}, send_reading)},
  };
  return {.idVendor = 0x1209,
          .idProduct = 0x0010,
          .manufacturer = "Example",
          .product = "Voltmeter",
          .configurations = {{.interfaces = {{.settings = {setting}}}}},
          .requests = {vendor_out(1, set_range)}};
}

}  // namespace

int main(int argc, char** argv) {
  periprox::service::DeviceServer server;
  auto device =
      EmulatedDevice::create(voltmeter_declaration(), periprox::usb::Speed::High, server.timers());
  if (!device) return std::fprintf(stderr, "%s\n", device.error().text().c_str()), 1;
  const auto busid = server.add(std::move(*device));
  const auto address = server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:3240");
  if (!address) return std::fprintf(stderr, "%s\n", address.error().text().c_str()), 1;
  std::printf("%s is on %s\n", busid->c_str(), address->c_str()), std::fflush(stdout);
  server.run();
}

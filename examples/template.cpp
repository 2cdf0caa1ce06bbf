// A template for a device of your own. Copy it, keep what you need, delete the rest.
//
// It is a "line printer" of two functions: one prints lines that the host sends over a bulk
// endpoint and counts them; the other is a keyboard that types "printed" after each line.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "periprox/emulated/emulated_device.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/keyboard.hpp"
#include "periprox/emulated/microsoft_os_20.hpp"
#include "periprox/service/device_server.hpp"

namespace {

using namespace periprox::emulated;
using namespace std::chrono_literals;

// --- State ---------------------------------------------------------------------------------------
//
// Whatever the handlers share is a plain class, held by shared_ptr and captured by them. There is
// one thread: nothing here needs a lock.
class Printer {
 public:
  explicit Printer(std::shared_ptr<Keyboard> keyboard) : keyboard_(std::move(keyboard)) {}

  // An OUT handler gets one transfer: what the host sent with one URB. It answers now, or keeps the
  // transfer (std::move it into a member) and answers later; until then the host waits, as it would
  // for hardware that says NAK.
  void take(OutTransfer transfer) {
    const auto data = transfer.data();
    if (data.size() > kLongestLine) return transfer.stall();  // Halts the endpoint.
    std::fwrite(data.data(), 1, data.size(), stdout);
    std::fflush(stdout);
    lines_ += static_cast<std::uint32_t>(std::ranges::count(data, std::byte{'\n'}));
    transfer.accept();
    (void)keyboard_->type("printed\n");
    tell_waiting();
  }

  // An IN handler is asked for data. One that has nothing to say keeps the transfer.
  void tell(InTransfer transfer) {
    waiting_ = std::move(transfer);
    tell_waiting();
  }

  // A request of the host. IN requests are answered by send(), OUT requests by accept(), what makes
  // no sense by stall(). A transfer that is dropped without an answer stalls.
  void reset_counter(ControlTransfer transfer) {
    lines_ = told_ = 0;
    transfer.accept();
  }

 private:
  void tell_waiting() {
    // A transfer may have been cancelled meanwhile; then pending() is false.
    if (!waiting_.pending() || lines_ == told_) return;
    told_ = lines_;
    const periprox::le32 count = lines_;
    // Taken out first: the answer may bring in the next transfer at once.
    auto transfer = std::move(waiting_);
    transfer.send(periprox::bytes_of(count));
  }

  static constexpr std::size_t kLongestLine = 4096;

  std::shared_ptr<Keyboard> keyboard_;
  InTransfer waiting_;
  std::uint32_t lines_ = 0;
  std::uint32_t told_ = 0;
};

// --- Declaration ---------------------------------------------------------------------------------
//
// A function is made for a place: its interfaces are numbered from place.interface_number on, its
// endpoints from place.endpoint_number on. So the same function can be a device alone or stand
// beside others.
Function printer_function(const std::shared_ptr<Printer>& printer, Place place) {
  const auto number = place.endpoint_number;
  return {
      .name = "Line printer",
      .interfaces = {{
          // Alternate setting 0; more settings follow it in the list.
          .settings = {{
              .class_code = {0xff, 0x00, 0x00},  // vendor-specific
              .name = "Line printer",            // iInterface
              // Packet sizes need not be said: each speed has its own. Intervals are times.
              .endpoints = {bulk_out(number,
                                     [printer](OutTransfer t) { printer->take(std::move(t)); }),
                            interrupt_in(number, {.max_packet_size = 4, .interval = 10ms},
                                         [printer](InTransfer t) { printer->tell(std::move(t)); })},
          }},
          // Requests whose recipient is this interface.
          .requests = {vendor_out(
              1, [printer](ControlTransfer t) { printer->reset_counter(std::move(t)); })},
      }},
      // Called after a port reset: forget what hardware would forget.
      .on_reset = [] {},
  };
}

Declaration declaration(periprox::Timers& timers) {
  auto keyboard = std::make_shared<Keyboard>(timers);
  auto printer = std::make_shared<Printer>(keyboard);
  auto device =
      device_of({.idVendor = 0x1209,
                 .idProduct = 0x0010,
                 .manufacturer = "Example",
                 .product = "Printer",
                 .serial_number = "0001"},
                {[printer](Place place) { return printer_function(printer, place); },
                 [keyboard](Place place) { return keyboard_function(keyboard, place, 10ms); }});
  // Strings in a second language, by their English text.
  device.translations = {{.language = 0x0407, .texts = {{"Printer", "Drucker"}}}};
  // Windows then drives the printer through WinUSB, without an .inf file.
  add_microsoft_os_20(device, {.functions = {{.first_interface = 0, .compatible_id = "WINUSB"}}});
  return device;
}

}  // namespace

int main(int argc, char** argv) {
  periprox::service::DeviceServer server;
  // The declaration is checked here: what breaks a rule of the standard is an error that says so.
  auto device = EmulatedDevice::create(declaration(server.timers()), periprox::usb::Speed::High,
                                       server.timers());
  if (!device) {
    std::fprintf(stderr, "%s\n", device.error().text().c_str());
    return 1;
  }
  const auto busid = server.add(std::move(*device));
  const auto address = server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:3240");
  if (!busid || !address) {
    std::fprintf(stderr, "%s\n", (busid ? address : busid).error().text().c_str());
    return 1;
  }
  std::printf("%s is on %s\n", busid->c_str(), address->c_str());
  std::fflush(stdout);
  server.run();
}

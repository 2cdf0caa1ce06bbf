// A connection dies, in every phase, politely and not: the device is free again for the next one.
#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

/// Brings an imported device into the phase that its connection dies in.
using Phase = std::function<void(Probe&, Imported&)>;

void idle(Probe& /*probe*/, Imported& /*device*/) {}
void half_header(Probe& /*probe*/, Imported& device) {
  const auto bytes = encode_submit(get_device_descriptor(), 1, device.devid());
  device.connection().send(Bytes(bytes).first(17));
}
void answer_on_its_way(Probe& /*probe*/, Imported& device) {
  for (int i = 0; i < 8; ++i) (void)device.submit(get_device_descriptor());
}
void half_unlink(Probe& /*probe*/, Imported& device) {
  device.connection().send(bytes_of(encode_unlink(1, 2, device.devid())).first(40));
}
void half_payload(Probe& probe, Imported& device) {
  auto write = probe.sink_out(device).submit();
  write.length = 4096;
  write.data.resize(1000);
  device.connection().send(encode_submit(write, device.expect(write), device.devid()));
}
void pending(Probe& probe, Imported& device) {
  const auto& in = probe.idle_in(device);
  auto read = in.submit();
  read.length = static_cast<std::int32_t>(in.packet);
  for (int i = 0; i < 32; ++i) (void)device.submit(read);
}
void unlinking(Probe& probe, Imported& device) {
  const auto& in = probe.idle_in(device);
  auto read = in.submit();
  read.length = static_cast<std::int32_t>(in.packet);
  for (int i = 0; i < 32; ++i) (void)device.unlink(device.submit(read));
}
void half_descriptors(Probe& probe, Imported& device) {
  const auto places = probe.survey(device).find(usb::TransferType::Isochronous, usb::Direction::In);
  if (places.empty()) not_applicable("the device has no isochronous IN endpoint");
  probe.go_to(device, places.front());
  auto submit = places.front().submit();
  submit.number_of_packets = 8;
  submit.length = 64;
  submit.iso.resize(3);
  device.connection().send(encode_submit(submit, device.expect(submit), device.devid()));
}

enum class How : std::uint8_t { Fin, Rst };

void dies(Probe& probe, const Phase& phase, How how) {
  {
    auto device = probe.import();
    phase(probe, device);
    how == How::Fin ? device.connection().close() : device.connection().reset();
  }
  auto next = probe.import();
  require_works(next, "in the next session");
}

void half_closed(Probe& probe) {
  auto device = probe.import();
  (void)device.submit(get_device_descriptor());
  device.connection().close();  // FIN first, then whatever still comes is read.
  auto next = probe.import();
  require_works(next, "in the next session");
}

void again_and_again(Probe& probe) {
  for (int i = 0; i < 25; ++i) {
    auto device = probe.import();
    require_works(device, "in session " + std::to_string(i + 1));
    i % 2 == 0 ? device.connection().close() : device.connection().reset();
  }
}

}  // namespace

std::vector<Case> end_cases() {
  constexpr auto kEnds = "yunsmall/usbipdcpp";
  struct Named {
    const char* name;
    const char* what;
    Touch touch;
    Phase phase;
  };
  const std::vector<Named> phases{
      {"idle", "frees the device when an idle connection ends", Touch::Reads, idle},
      {"half_header", "frees the device when a connection ends within a header", Touch::Reads,
       half_header},
      {"half_unlink", "frees the device when a connection ends within an UNLINK", Touch::Reads,
       half_unlink},
      {"unread", "frees the device when a client leaves before the answers", Touch::Reads,
       answer_on_its_way},
      {"half_payload", "frees the device when a connection ends within OUT data", Touch::Changes,
       half_payload},
      {"half_descriptors", "frees the device when a connection ends within descriptors",
       Touch::Changes, half_descriptors},
      {"pending", "frees the device when a connection ends with URBs pending", Touch::Changes,
       pending},
      {"unlinking", "frees the device when a connection ends with UNLINKs pending", Touch::Changes,
       unlinking},
  };
  std::vector<Case> cases;
  for (const auto& each : phases) {
    for (const auto how : {How::Fin, How::Rst}) {
      cases.push_back({std::string("end.") + each.name + (how == How::Fin ? "_fin" : "_rst"),
                       each.what, kEnds, each.touch,
                       [phase = each.phase, how](Probe& probe) { dies(probe, phase, how); }});
    }
  }
  cases.push_back({"end.half_closed", "frees the device of a client that has said its last word",
                   "linux: drivers/usb/usbip/stub_dev.c, stub_shutdown_connection()", Touch::Reads,
                   half_closed});
  cases.push_back({"end.again_and_again", "can be imported 25 times in a row",
                   "cezanne/usbip-win 211", Touch::Reads, again_and_again});
  return cases;
}

}  // namespace periprox::check

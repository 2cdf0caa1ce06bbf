// Importing: which bus ids name the device, what the reply says, and how a refusal looks.
// linux: tools/usb/usbip/src/{usbipd.c,usbip_attach.c}.
#include <algorithm>
#include <thread>

#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"
#include "periprox/usb/descriptors.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

using BusIdField = NameField<kBusIdSize>;

void reply(Probe& probe) {
  auto device = probe.import();
  require_works(device, "after the import");
}

void busid_identical(Probe& probe) {
  const auto device = probe.import();
  require(device.record().busid == make_name<kBusIdSize>(probe.target().busid),
          "the 32 bytes of the bus id in the reply are not those of the request");
}

void byte_by_byte(Probe& probe) {
  const ImportRequest request{.busid = make_name<kBusIdSize>(probe.target().busid)};
  probe.ask_until_free([&]() -> std::uint32_t {
    auto connection = probe.connect();
    for (const auto byte : bytes_of(request)) {
      connection.send_struct(byte);
      (void)connection.next(std::chrono::milliseconds(1));
    }
    const auto head = connection.receive_struct<OpHeader>("IMPORT reply");
    if (head.status == 0) (void)connection.receive_struct<DeviceRecord>("device record");
    return head.status;
  });
}

void pipelined(Probe& probe) {
  const auto& record = probe.survey().record;
  probe.ask_until_free([&]() -> std::uint32_t {
    auto connection = probe.connect();
    ByteWriter both;
    both.put(ImportRequest{.busid = make_name<kBusIdSize>(probe.target().busid)});
    both.put_bytes(encode_submit(get_device_descriptor(), 1, record.busnum << 16 | record.devnum));
    connection.send(both.bytes());
    const auto head = connection.receive_struct<OpHeader>("IMPORT reply");
    if (head.status != 0) return head.status;
    const auto now_record = connection.receive_struct<DeviceRecord>("device record");
    // Some servers number the device anew for each import; then nobody could have known.
    if (now_record.devnum != record.devnum || now_record.busnum != record.busnum) {
      not_applicable("the device gets another number with each import");
    }
    const auto answer = connection.receive_struct<RetSubmit>("RET_SUBMIT");
    require(answer.basic.seqnum == 1 && answer.status == 0,
            "the request behind the import request is not answered");
    return 0;
  });
}

void garbage_behind_nul(Probe& probe) {
  auto field = make_name<kBusIdSize>(probe.target().busid);
  std::fill(field.begin() + static_cast<std::ptrdiff_t>(probe.target().busid.size()) + 1,
            field.end(), '\x5a');
  auto device = probe.import(field);
  require_works(device, "after the import");
}

void refused(Probe& probe, const BusIdField& busid) {
  auto [connection, status] = probe.ask_to_import(busid);
  require(status != 0, "it is imported");
  switch (connection.next()) {
    case Connection::Next::Byte:
      failed("more than 8 bytes: a refusal has no device record");
    case Connection::Next::Nothing:
      failed("the connection stays open after the refusal");
    case Connection::Next::End:
      break;
  }
}

void unknown_busid(Probe& probe) { refused(probe, make_name<kBusIdSize>("77-7.7")); }
void longest_busid(Probe& probe) { refused(probe, make_name<kBusIdSize>(std::string(31, '1'))); }
void empty_busid(Probe& probe) { refused(probe, {}); }
void prefix_of_busid(Probe& probe) {
  refused(probe, make_name<kBusIdSize>(probe.target().busid + ".9"));
}
void path_as_busid(Probe& probe) { refused(probe, make_name<kBusIdSize>("../../../etc/passwd")); }
void endless_busid(Probe& probe) {
  BusIdField field;
  field.fill('1');
  auto connection = probe.connect();
  connection.send_struct(ImportRequest{.busid = field});
  const auto next = connection.next();
  require(next != Connection::Next::Nothing, "neither an answer nor the end of the connection");
  if (next == Connection::Next::Byte) {
    require(connection.receive_struct<OpHeader>("reply").status != 0, "it is imported");
  }
  (void)probe.list();
}

void second_importer(Probe& probe) {
  auto first = probe.import();
  require_works(first, "before the second import");
  refused(probe, make_name<kBusIdSize>(probe.target().busid));
  require_works(first, "after the second import was refused");
}

void left_out_of_list(Probe& probe) {
  auto device = probe.import();
  require(probe.list().find(probe.target().busid) == nullptr,
          "a device that is in use is still listed as one that can be imported");
  require_works(device, "after the list");
}

void matches_list(Probe& probe) {
  const auto record = probe.import().record();
  // Back in the list, once the server has noticed the end of that import.
  for (int attempt = 0;; ++attempt) {
    const auto list = probe.list();
    const auto* listed = list.find(probe.target().busid);
    if (listed != nullptr) {
      auto same = listed->record;
      // An unconfigured device may show its interfaces in one of the two only.
      same.bNumInterfaces = record.bNumInterfaces;
      same.devnum = record.devnum;  // Linux: a new number after each reset of some devices.
      require(std::ranges::equal(bytes_of(same), bytes_of(record)),
              "the records of DEVLIST and of the import reply differ");
      return;
    }
    require(attempt < 40, "the device does not come back into the list");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void numbers_fit(Probe& probe) {
  const auto& record = probe.survey().record;
  require(record.busnum >= 1 && record.busnum <= 255,
          "busnum " + std::to_string(record.busnum) + " is not from 1 to 255");
  require(record.devnum >= 1 && record.devnum <= 255,
          "devnum " + std::to_string(record.devnum) + " is not from 1 to 255");
}

void speed(Probe& probe) {
  const auto& record = probe.survey().record;
  require(usb::speed_from_code(record.speed).has_value(),
          "speed " + std::to_string(record.speed) + " is not from 1 to 6");
}

void interface_count(Probe& probe) {
  const auto& survey = probe.survey();
  const unsigned active = survey.record.bConfigurationValue;
  if (active == 0) {
    require(survey.record.bNumInterfaces == 0, "configuration 0 with interfaces");
    return;
  }
  for (const auto& each : survey.configurations) {
    if (each.descriptor.bConfigurationValue != active) continue;
    require(survey.record.bNumInterfaces == each.interfaces.size(),
            "bNumInterfaces is " + std::to_string(survey.record.bNumInterfaces) +
                ", the active configuration has " + std::to_string(each.interfaces.size()));
    return;
  }
  failed("bConfigurationValue " + std::to_string(active) + " is none of the device's");
}

void ids_match(Probe& probe) {
  auto device = probe.import();
  const auto raw = require_ok(device, get_device_descriptor(), "GET_DESCRIPTOR(device)");
  const auto descriptor = read_as<usb::DeviceDescriptor>(raw.data);
  const auto& record = device.record();
  require(descriptor.has_value() && descriptor->idVendor == record.idVendor &&
              descriptor->idProduct == record.idProduct &&
              descriptor->bcdDevice == record.bcdDevice &&
              descriptor->bDeviceClass == record.bDeviceClass &&
              descriptor->bNumConfigurations == record.bNumConfigurations,
          "the device descriptor says otherwise than the record");
}

}  // namespace

std::vector<Case> import_cases() {
  constexpr auto kRst = "linux: Documentation/usb/usbip_protocol.rst, OP_REP_IMPORT";
  constexpr auto kBusIds = "jiegec/usbip 3";
  return {
      {"import.reply", "answers an import with 320 bytes, and then URBs", kRst, Touch::Reads,
       reply},
      {"import.busid_identical", "repeats the bus id of the request in the reply",
       "linux: tools/usb/usbip/src/usbip_attach.c, query_import_device()", Touch::Reads,
       busid_identical},
      {"import.byte_by_byte", "takes an import request that arrives one byte at a time",
       "linux: tools/usb/usbip/src/usbip_network.c, usbip_net_recv()", Touch::Reads, byte_by_byte},
      {"import.pipelined", "takes an URB that arrives together with the import request",
       "linux: tools/usb/usbip/src/usbipd.c, recv_request_import()", Touch::Reads, pipelined},
      {"import.garbage_behind_nul", "compares bus ids up to the NUL", kBusIds, Touch::Reads,
       garbage_behind_nul},
      {"import.unknown_busid", "refuses an unknown bus id with a status, in 8 bytes", kBusIds,
       Touch::Reads, unknown_busid},
      {"import.busid_of_31_bytes", "refuses an unknown bus id of 31 bytes with a status", kBusIds,
       Touch::Reads, longest_busid},
      {"import.busid_empty", "refuses an empty bus id with a status", kBusIds, Touch::Reads,
       empty_busid},
      {"import.busid_longer", "refuses a bus id that begins with that of a device", kBusIds,
       Touch::Reads, prefix_of_busid},
      {"import.busid_path", "refuses a path where a bus id should be", kBusIds, Touch::Reads,
       path_as_busid},
      {"import.busid_without_nul", "refuses a bus id without a NUL, and serves on", kBusIds,
       Touch::Reads, endless_busid},
      {"import.second", "refuses a second importer with a status, and serves the first on",
       "linux: tools/usb/usbip/libsrc/usbip_host_common.c, usbip_export_device()", Touch::Reads,
       second_importer},
      {"import.hides_from_list", "leaves a device that is in use out of the list",
       "linux: tools/usb/usbip/src/usbipd.c, send_reply_devlist()", Touch::Reads, left_out_of_list},
      {"import.matches_list", "says the same of a device in DEVLIST and in the import reply", kRst,
       Touch::Reads, matches_list},
      {"import.numbers_fit", "gives busnum and devnum that fit into 8 bits",
       "linux: tools/usb/usbip/libsrc/vhci_driver.c, usbip_vhci_attach_device()", Touch::Reads,
       numbers_fit},
      {"import.speed", "gives a speed that exists",
       "linux: include/uapi/linux/usb/ch9.h, enum usb_device_speed; vadimgrn/usbip-win2 151",
       Touch::Reads, speed},
      {"import.interface_count", "counts the interfaces of the active configuration",
       "linux: tools/usb/usbip/libsrc/usbip_common.c, read_usb_interface()", Touch::Reads,
       interface_count},
      {"import.ids_match", "gives the ids that the device descriptor has",
       "linux: tools/usb/usbip/libsrc/usbip_common.c, read_usb_device()", Touch::Reads, ids_match},
  };
}

}  // namespace periprox::check

// Before a device is imported: one request, one answer, whatever the request looks like.
// linux: tools/usb/usbip/src/{usbipd.c,usbip_network.c}, Documentation/usb/usbip_protocol.rst.
#include "periprox/check/case.hpp"
#include "periprox/check/probe.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

void list(Probe& probe) { (void)probe.list(); }

void list_strings(Probe& probe) {
  for (const auto& device : probe.list().devices) {
    require(name_in(device.record.path).has_value(), "a path has no NUL in its 256 bytes");
    const auto busid = name_in(device.record.busid);
    require(busid.has_value(), "a bus id has no NUL in its 32 bytes");
    require(!busid->empty(), "a bus id is empty");
  }
}

void list_has_each_once(Probe& probe) {
  const auto list = probe.list();
  for (const auto& device : list.devices) {
    const auto busid = *name_in(device.record.busid);
    require(list.find(busid) == &device, "bus id " + std::string(busid) + " is listed twice");
  }
}

void list_byte_by_byte(Probe& probe) {
  auto connection = probe.connect();
  const OpHeader request{.code = static_cast<std::uint16_t>(OpCode::DevlistRequest)};
  for (const auto byte : bytes_of(request)) {
    connection.send_struct(byte);
    // Long enough for a segment of its own; if not, the case is easier, not wrong.
    (void)connection.next(std::chrono::milliseconds(2));
  }
  const auto head = connection.receive_struct<OpHeader>("DEVLIST reply");
  require(head.code == static_cast<std::uint16_t>(OpCode::DevlistReply) && head.status == 0,
          "the reply is no DEVLIST reply with status 0");
}

/// The server may refuse in words or by closing, but it ends the matter, and serves on.
void refuses(Probe& probe, const OpHeader& request) {
  auto connection = probe.connect();
  connection.send_struct(request);
  const auto next = connection.next();
  require(next != Connection::Next::Nothing, "neither an answer nor the end of the connection");
  if (next == Connection::Next::Byte) {
    const auto head = connection.receive_struct<OpHeader>("reply");
    require(head.status != 0, "it is answered with status 0");
    require(connection.next() == Connection::Next::End,
            "the connection does not end after the refusal");
  }
  (void)probe.list();
}

void unknown_op(Probe& probe) { refuses(probe, {.code = std::uint16_t{0x8042}}); }
void unserved_ops(Probe& probe) {
  // DEVINFO, CRYPKEY, EXPORT, UNEXPORT: named in usbip_network.h, served by nobody.
  for (const std::uint16_t op : {0x8002, 0x8004, 0x8006, 0x8007}) refuses(probe, {.code = op});
}
void reply_as_request(Probe& probe) {
  refuses(probe, {.code = static_cast<std::uint16_t>(OpCode::DevlistReply)});
}
void wrong_version(Probe& probe) {
  refuses(probe, {.version = std::uint16_t{0x0110},
                  .code = static_cast<std::uint16_t>(OpCode::DevlistRequest)});
}
void garbage(Probe& probe) {
  auto connection = probe.connect();
  connection.send(bytes_of_text("GET / HTTP/1.1\r\nHost: periprox\r\n\r\n"));
  require(connection.next() == Connection::Next::End, "the connection does not end");
  (void)probe.list();
}

void half_requests(Probe& probe) {
  const ImportRequest request{.busid = make_name<kBusIdSize>(probe.target().busid)};
  for (const std::size_t count : {0U, 1U, 7U, 8U, 20U, 39U}) {
    for (const bool by_reset : {false, true}) {
      auto connection = probe.connect();
      connection.send(bytes_of(request).first(count));
      by_reset ? connection.reset() : connection.close();
    }
  }
  (void)probe.list();
}

void idle_connection(Probe& probe) {
  auto idle = probe.connect();
  auto half = probe.connect();
  half.send(bytes_of(OpHeader{.code = static_cast<std::uint16_t>(OpCode::ImportRequest)}));
  (void)probe.list();
}

void early_close(Probe& probe) {
  for (int i = 0; i < 20; ++i) {
    auto connection = probe.connect();
    connection.send_struct(OpHeader{.code = static_cast<std::uint16_t>(OpCode::DevlistRequest)});
    i % 2 == 0 ? connection.reset() : connection.close();
  }
  (void)probe.list();
}

}  // namespace

std::vector<Case> management_cases() {
  constexpr auto kRst = "linux: Documentation/usb/usbip_protocol.rst, OP_REQ_DEVLIST";
  constexpr auto kUsbipd = "linux: tools/usb/usbip/src/usbipd.c, recv_pdu()";
  return {
      {"op.list", "answers DEVLIST with whole records, then closes", kRst, Touch::Reads, list},
      {"op.list_strings", "ends each path and bus id of the list with a NUL inside its field",
       "linux: tools/usb/usbip/libsrc/usbip_common.h, SYSFS_BUS_ID_SIZE", Touch::Reads,
       list_strings},
      {"op.list_unique", "lists each bus id once", kRst, Touch::Reads, list_has_each_once},
      {"op.list_byte_by_byte", "takes a request that arrives one byte at a time",
       "linux: tools/usb/usbip/src/usbip_network.c, usbip_net_recv()", Touch::Reads,
       list_byte_by_byte},
      {"op.unknown", "ends a connection that asks for an unknown operation, and serves on", kUsbipd,
       Touch::Reads, unknown_op},
      {"op.unserved", "refuses the operations that have a number and no meaning", kUsbipd,
       Touch::Reads, unserved_ops},
      {"op.reply_as_request", "refuses a reply where a request should be", kUsbipd, Touch::Reads,
       reply_as_request},
      {"op.wrong_version", "refuses a version that is not 0x0111",
       "linux: tools/usb/usbip/src/usbip_network.c, usbip_net_recv_op_common(); abilisoft/usbip-go",
       Touch::Reads, wrong_version},
      {"op.garbage", "ends a connection that speaks another protocol", kUsbipd, Touch::Reads,
       garbage},
      {"op.half_requests", "survives connections that end within a request, by FIN and by RST",
       "yunsmall/usbipdcpp", Touch::Reads, half_requests},
      {"op.early_close", "survives clients that leave before the answer", "yunsmall/usbipdcpp",
       Touch::Reads, early_close},
      {"op.idle_connection", "serves others while connections ask for nothing",
       "linux: tools/usb/usbip/src/usbipd.c, do_standalone_mode()", Touch::Reads, idle_connection},
  };
}

}  // namespace periprox::check

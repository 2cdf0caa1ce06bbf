#include "periprox/check/probe.hpp"

#include <algorithm>
#include <thread>

#include "periprox/usb/descriptors.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using usb::Direction;
using usb::TransferType;

namespace {

/// An endpoint that has not answered by then is taken for idle. A wrong guess costs a case that is
/// not applicable, or one that is told so by what comes later; never a wrong verdict.
constexpr Duration kIdleAfter = std::chrono::milliseconds(1500);
/// How often a device that is still busy is asked for again.
constexpr Duration kAskAgain = std::chrono::milliseconds(50);
constexpr std::size_t kMostDevices = 4096;
constexpr std::uint16_t kLargestConfiguration = 4096;

void add_places(const usb::Configuration& configuration, usb::Speed speed,
                std::vector<Place>& places) {
  for (const auto& interface : configuration.interfaces) {
    for (const auto& setting : interface.alternate_settings) {
      for (const auto& endpoint : setting.endpoints) {
        places.push_back({.configuration = configuration.descriptor.bConfigurationValue,
                          .interface = interface.number,
                          .alternate = setting.descriptor.bAlternateSetting,
                          .address = endpoint.address(),
                          .type = endpoint.type(),
                          .packet = endpoint.max_packet_size(),
                          .interval = endpoint.interval(speed)});
      }
    }
  }
}

}  // namespace

std::vector<Place> Survey::find(TransferType type, Direction direction) const {
  std::vector<Place> found;
  std::ranges::copy_if(places, std::back_inserter(found), [&](const Place& place) {
    return place.type == type && place.address.direction() == direction;
  });
  return found;
}

const DeviceList::Device* DeviceList::find(std::string_view busid) const {
  const auto found = std::ranges::find_if(
      devices, [&](const Device& device) { return name_in(device.record.busid) == busid; });
  return found == devices.end() ? nullptr : &*found;
}

Probe::Probe(Target target) : target_(std::move(target)) {}

void Probe::begin_case(Duration limit) { deadline_ = now() + limit; }

Connection Probe::connect() {
  auto socket = connect_to(target_.server, target_.patience);
  if (!socket) failed(socket.error().text());
  return {std::move(*socket), {target_.patience, deadline_}};
}

DeviceList Probe::list() {
  auto connection = connect();
  connection.send_struct(OpHeader{.code = static_cast<std::uint16_t>(OpCode::DevlistRequest)});
  const auto head = connection.receive_struct<OpHeader>("DEVLIST reply");
  require(head.version == kVersion, "the version of the DEVLIST reply is not 0x0111");
  require(head.code == static_cast<std::uint16_t>(OpCode::DevlistReply),
          "the code of the DEVLIST reply is not 5");
  require(head.status == 0, "the status of the DEVLIST reply is not 0");
  const std::uint32_t count = connection.receive_struct<be32>("count of devices");
  require(count <= kMostDevices, "the count of devices is absurd");
  DeviceList list;
  for (std::uint32_t i = 0; i < count; ++i) {
    DeviceList::Device device{connection.receive_struct<DeviceRecord>("device record"), {}};
    for (unsigned each = 0; each < device.record.bNumInterfaces; ++each) {
      device.interfaces.push_back(connection.receive_struct<InterfaceRecord>("interface record"));
    }
    list.devices.push_back(std::move(device));
  }
  switch (connection.next()) {
    case Connection::Next::Byte:
      failed("bytes follow the last record");
    case Connection::Next::Nothing:
      failed("the connection stays open after the list");
    case Connection::Next::End:
      break;
  }
  return list;
}

std::pair<Connection, std::uint32_t> Probe::ask_to_import(const NameField<kBusIdSize>& busid) {
  auto connection = connect();
  connection.send_struct(ImportRequest{.busid = busid});
  const auto head = connection.receive_struct<OpHeader>("IMPORT reply");
  require(head.version == kVersion, "the version of the IMPORT reply is not 0x0111");
  require(head.code == static_cast<std::uint16_t>(OpCode::ImportReply),
          "the code of the IMPORT reply is not 3");
  return {std::move(connection), head.status};
}

void Probe::ask_until_free(const std::function<std::uint32_t()>& ask) {
  const auto until = std::min(now() + target_.patience * 2, deadline_);
  while (const auto status = ask()) {
    if (now() > until) {
      failed("the device cannot be imported: " + op_status_text(status) + " (status " +
             std::to_string(status) + ")");
    }
    std::this_thread::sleep_for(kAskAgain);
  }
}

Imported Probe::import(const NameField<kBusIdSize>& busid) {
  std::optional<Imported> device;
  ask_until_free([&] {
    auto [connection, status] = ask_to_import(busid);
    if (status == 0) {
      const auto record = connection.receive_struct<DeviceRecord>("device record");
      device.emplace(std::move(connection), record);
    }
    return status;
  });
  return std::move(*device);
}

Imported Probe::import() { return import(make_name<kBusIdSize>(target_.busid)); }

const Survey& Probe::survey() {
  if (survey_) return *survey_;
  auto device = import();
  (void)survey(device);
  device.connection().close();
  return *survey_;
}

const Survey& Probe::survey(Imported& device) {
  if (survey_) return *survey_;
  Survey survey{.record = device.record()};
  const auto speed = usb::speed_from_code(survey.record.speed).value_or(usb::Speed::High);
  const auto raw = require_ok(device, get_device_descriptor(), "GET_DESCRIPTOR(device)");
  const auto descriptor = read_as<usb::DeviceDescriptor>(raw.data);
  require(descriptor.has_value(), "the device descriptor is cut");
  for (std::uint8_t i = 0; i < descriptor->bNumConfigurations; ++i) {
    const auto block = require_ok(
        device, get_descriptor(usb::DescriptorType::Configuration, i, kLargestConfiguration),
        "GET_DESCRIPTOR(configuration)");
    if (auto parsed = usb::parse_configuration(block.data)) {
      survey.configurations.push_back(std::move(parsed->configuration));
    }
  }
  for (const auto& each : survey.configurations) add_places(each, speed, survey.places);
  std::ranges::stable_partition(survey.places, [&](const Place& place) {
    return place.configuration == survey.record.bConfigurationValue;
  });
  return survey_.emplace(std::move(survey));
}

void Probe::go_to(Imported& device, const Place& place) {
  const auto get = [](std::uint8_t recipient, usb::StandardRequest request, std::uint16_t index) {
    return control({.bmRequestType = static_cast<std::uint8_t>(0x80 | recipient),
                    .bRequest = static_cast<std::uint8_t>(request),
                    .wIndex = index,
                    .wLength = 1});
  };
  const auto active =
      require_ok(device, get(0, usb::StandardRequest::GetConfiguration, 0), "GET_CONFIGURATION");
  if (active.data != std::vector{std::byte{place.configuration}}) {
    require_ok(device, control(usb::SetupPacket::set_configuration(place.configuration)),
               "SET_CONFIGURATION");
  }
  const auto setting = device.run(get(1, usb::StandardRequest::GetInterface, place.interface));
  // Many devices with one alternate setting stall GET_INTERFACE (USB 2.0, 9.4.4 forbids it).
  const bool is_there = setting.status != 0
                            ? place.alternate == 0
                            : setting.data == std::vector{std::byte{place.alternate}};
  if (!is_there) {
    require_ok(device, control(usb::SetupPacket::set_interface(place.interface, place.alternate)),
               "SET_INTERFACE");
  }
}

/// Submits one packet's worth and looks what comes back.
Probe::Answer Probe::try_out(Imported& device, const Place& place) {
  go_to(device, place);
  auto submit = place.submit();
  submit.length = static_cast<std::int32_t>(place.packet);
  if (!submit.in) submit.data.resize(place.packet);
  const auto seqnum = device.submit(submit);
  if (device.has_reply(seqnum, kIdleAfter)) {
    const auto reply = device.reply_to(seqnum);
    const bool full = reply.status == 0 && reply.actual_length() == submit.length;
    return full ? Answer::Full : Answer::Other;
  }
  (void)device.reply_to(device.unlink(seqnum));
  return device.has_reply(seqnum, Duration::zero()) ? Answer::Other : Answer::None;
}

const Place& Probe::first_of(Imported& device, std::optional<std::optional<Place>>& known,
                             const std::vector<Place>& among, Answer answer, const char* wanted) {
  if (!known) {
    std::optional<Place> first;
    for (const auto& place : among) {
      if (place.packet == 0 || try_out(device, place) != answer) continue;
      first = place;
      break;
    }
    known = first;
  }
  if (!*known) not_applicable(std::string("the device has no ") + wanted);
  go_to(device, **known);
  return **known;
}

const Place& Probe::idle_in(Imported& device) {
  auto among = survey(device).find(TransferType::Bulk, Direction::In);
  const auto more = survey(device).find(TransferType::Interrupt, Direction::In);
  among.insert(among.end(), more.begin(), more.end());
  return first_of(device, idle_in_, among, Answer::None, "IN endpoint that stays idle");
}

const Place& Probe::source_in(Imported& device) {
  return first_of(device, source_in_, survey(device).find(TransferType::Bulk, Direction::In),
                  Answer::Full, "bulk IN endpoint that always has data");
}

const Place& Probe::sink_out(Imported& device) {
  return first_of(device, sink_out_, survey(device).find(TransferType::Bulk, Direction::Out),
                  Answer::Full, "bulk OUT endpoint that takes zeros");
}

std::optional<Probe::Echo> Probe::find_echo(Imported& device) {
  for (const auto& in : survey(device).find(TransferType::Bulk, Direction::In)) {
    for (const auto& out : survey(device).find(TransferType::Bulk, Direction::Out)) {
      const bool neighbours = in.configuration == out.configuration &&
                              in.interface == out.interface && in.alternate == out.alternate;
      if (!neighbours || try_out(device, in) != Answer::None) continue;
      auto read = in.submit();
      read.length = static_cast<std::int32_t>(in.packet);
      const auto reading = device.submit(read);
      auto write = out.submit();
      write.data = {std::byte{1}, std::byte{2}, std::byte{3}};
      write.length = 3;
      const auto writing = device.submit(write);
      const bool both =
          device.has_reply(reading, kIdleAfter) && device.has_reply(writing, kIdleAfter);
      if (!both) return std::nullopt;  // One of them still waits: this connection is of no use.
      (void)device.reply_to(writing);
      if (device.reply_to(reading).data == write.data) return Echo{out, in};
    }
  }
  return std::nullopt;
}

const Probe::Echo& Probe::echo(Imported& device) {
  if (!echo_) echo_ = find_echo(device);
  if (!*echo_) not_applicable("the device does not give back what it is sent");
  go_to(device, (*echo_)->in);
  return **echo_;
}

}  // namespace periprox::check

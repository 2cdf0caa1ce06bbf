#include "periprox/session/devlist_client.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace periprox::session {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

DevlistClient::DevlistClient(TimePoint now, Done done, Duration timeout)
    : done_(std::move(done)), deadline_(now + timeout) {
  sender_.put_struct(OpHeader{.code = static_cast<std::uint16_t>(OpCode::DevlistRequest)});
}

std::span<const MutableBytes> DevlistClient::receive_into() {
  if (finished()) return {};
  return receiver_.places();
}

void DevlistClient::received(std::size_t count) {
  receiver_.advance(count);
  while (!finished() && step()) {
  }
}

/// Takes the header, the count, one device or one interface; false when it has not arrived yet.
bool DevlistClient::step() {
  if (!header_read_) return read_header();
  if (!count_read_) return read_count();
  if (interfaces_left_ > 0) {
    const auto interface = receiver_.take<InterfaceRecord>();
    if (!interface) return false;
    devices_.back().interfaces.push_back(
        {interface->bInterfaceClass, interface->bInterfaceSubClass, interface->bInterfaceProtocol});
    --interfaces_left_;
  } else {
    const auto record = receiver_.take<DeviceRecord>();
    if (!record) return false;
    if (!name_in(record->busid) || !name_in(record->path)) {
      end(fail(Error::Kind::Malformed, "cannot list the server's devices",
               "a name in its list has no end"));
      return false;
    }
    devices_.push_back({*record, {}});
    interfaces_left_ = record->bNumInterfaces;
    --devices_left_;
  }
  if (devices_left_ == 0 && interfaces_left_ == 0) end(std::move(devices_));
  return true;
}

bool DevlistClient::read_header() {
  const auto header = receiver_.take<OpHeader>();
  if (!header) return false;
  header_read_ = true;
  if (header->version != kVersion ||
      header->code != static_cast<std::uint16_t>(OpCode::DevlistReply)) {
    end(fail(Error::Kind::Malformed, "cannot list the server's devices",
             "its answer is no device list of USB/IP version 1.1.1"));
  } else if (header->status != 0) {
    // Nothing follows a status that is not Ok, not even a count.
    end(fail(Error::Kind::Failed, "cannot list the server's devices",
             op_status_text(header->status)));
  }
  return true;
}

bool DevlistClient::read_count() {
  const auto count = receiver_.take<be32>();
  if (!count) return false;
  count_read_ = true;
  devices_left_ = *count;
  if (devices_left_ > kMaxDevices) {
    end(fail(Error::Kind::Malformed, "cannot list the server's devices",
             "it announces " + std::to_string(devices_left_) + " of them"));
  } else if (devices_left_ == 0) {
    end(std::move(devices_));
  }
  return true;
}

void DevlistClient::receive_ended(std::optional<Error> error) {
  end(tl::make_unexpected(error.value_or(Error{Error::Kind::Malformed,
                                               "cannot list the server's devices",
                                               "it closed the connection in the middle of the list",
                                               {}})));
}

std::optional<TimePoint> DevlistClient::wake_at() const {
  if (finished()) return std::nullopt;
  return deadline_;
}

void DevlistClient::woken(TimePoint now) {
  if (now < deadline_) return;
  end(fail(Error::Kind::Failed, "cannot list the server's devices", "it did not answer in time",
           "check the address and that a USB/IP server runs there"));
}

void DevlistClient::close() {
  end(fail(Error::Kind::Failed, "cannot list the server's devices", "the request was given up"));
}

void DevlistClient::end(Result<std::vector<ListedDevice>> result) {
  const auto done = std::exchange(done_, {});
  if (!done) return;
  if (!result) failure_ = result.error();
  done(std::move(result));
}

Result<std::vector<ListedDevice>> parse_devlist(Bytes reply) {
  std::optional<Result<std::vector<ListedDevice>>> listed;
  DevlistClient client({}, [&listed](auto result) { listed = std::move(result); });
  while (!client.finished() && !reply.empty()) {
    std::size_t count = 0;
    for (const auto& place : client.receive_into()) {
      const auto part = reply.subspan(count, std::min(place.size(), reply.size() - count));
      std::ranges::copy(part, place.begin());
      count += part.size();
    }
    reply = reply.subspan(count);
    client.received(count);
  }
  client.receive_ended(std::nullopt);  // Answers, if the reply was cut.
  return std::move(*listed);
}

}  // namespace periprox::session

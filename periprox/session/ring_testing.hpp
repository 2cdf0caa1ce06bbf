// What tests and fuzz targets of ring sessions share: a block of memory, and each side driven by
// hand against the other's session.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "periprox/session/ring_client.hpp"
#include "periprox/session/ring_server.hpp"
#include "periprox/session/testing.hpp"

namespace periprox::session::testing {

namespace ring = wire::ring;

inline constexpr TimePoint kRingStart{std::chrono::hours(1)};
inline constexpr std::uint32_t kTestEntries = 64;
inline constexpr std::uint64_t kTestArena = 1 << 20;

/// Memory as mmap gives it: page-aligned, all zeros.
inline RingMemory make_ring_memory(std::size_t size = ring::memory_for(kTestArena, kTestEntries)) {
  const std::align_val_t page{4096};
  std::shared_ptr<std::byte> block(static_cast<std::byte*>(::operator new(size, page)),
                                   [page](std::byte* data) { ::operator delete(data, page); });
  std::memset(block.get(), 0, size);
  const MutableBytes bytes(block.get(), size);
  return {bytes, std::move(block)};
}

inline ring::Layout test_layout(const RingMemory& memory) {
  return ring::plan_layout(memory.bytes.size(), kTestEntries).value();
}

inline std::uint32_t code(ring::ImporterState state) { return static_cast<std::uint32_t>(state); }
inline std::uint32_t code(ring::ExporterState state) { return static_cast<std::uint32_t>(state); }

/// A server session with a FakeDevice, and an importer driven by hand.
class RingServerPeer {
 public:
  explicit RingServerPeer(usb::DeviceModel model = test_model())
      : device(std::move(model)), server(memory, layout, exports, "test", kRingStart) {
    exports.devices["1-1"] = &device;
    server.set_waker(&waker);
  }

  RingServerPeer& join(std::uint32_t epoch = 77) {
    memory.control().importer.epoch = epoch;
    memory.control().importer.state = code(ring::ImporterState::Joining);
    server.poll(now);
    memory.control().importer.state = code(ring::ImporterState::Connected);
    return *this;
  }
  /// Joins and imports the device.
  RingServerPeer& open() {
    join();
    ask(ring::Kind::Import, "1-1");
    if (take().size() != 1) std::abort();
    return *this;
  }
  /// Puts LIST or IMPORT, with room for the answer at the arena's start.
  void ask(ring::Kind kind, std::string_view busid = {}, std::uint32_t room = 4096) {
    put({.kind = static_cast<std::uint16_t>(kind),
         .tag = std::uint32_t{5},
         .length = room,
         .busid = usbip::make_name<usbip::kBusIdSize>(busid)});
  }
  void put(const ring::Entry& entry) {
    port.put(entry);
    settle();
  }
  static ring::Entry submit_entry(std::uint32_t tag, usb::EndpointAddress endpoint,
                                  std::uint32_t length, std::uint64_t payload = 0) {
    return {.kind = static_cast<std::uint16_t>(ring::Kind::Submit),
            .tag = tag,
            .endpoint = endpoint.value(),
            .length = length,
            .payload = payload};
  }
  void submit(std::uint32_t tag, usb::EndpointAddress endpoint, std::uint32_t length,
              std::uint64_t payload = 0) {
    put(submit_entry(tag, endpoint, length, payload));
  }
  void cancel(std::uint32_t tag) {
    put({.kind = static_cast<std::uint16_t>(ring::Kind::Cancel), .tag = tag});
  }
  void settle() {
    while (server.poll(now)) {
    }
  }
  /// What the server has answered since the last call.
  std::vector<ring::Entry> take() {
    settle();
    std::vector<ring::Entry> entries;
    while (const auto entry = port.take()) entries.push_back(*entry);
    port.release_taken();
    return entries;
  }
  [[nodiscard]] MutableBytes arena(std::uint64_t offset, std::size_t length) const {
    return memory.bytes.subspan(layout.arena_offset + offset, length);
  }
  [[nodiscard]] bool alive() const { return !server.finished(); }

  TimePoint now = kRingStart;
  RingMemory memory = make_ring_memory();
  ring::Layout layout = test_layout(memory);
  FakeExports exports;
  FakeDevice device;
  CountingWaker waker;
  RingServer server;
  RingPort port{memory, layout, RingPort::Side::Importer};
};

/// A client session, and an exporter driven by hand.
class RingClientPeer {
 public:
  explicit RingClientPeer(usb::DeviceModel served = test_model()) : model(std::move(served)) {
    client.set_waker(&waker);
    client.on_gone([this] { ++gone; });
    auto& control = memory.control();
    control.header.store(ring::encode_header(layout));
    control.exporter.epoch = 9;
    control.exporter.state = code(ring::ExporterState::Ready);
  }

  void accept() {
    client.poll(now);
    memory.control().exporter.answers = memory.control().importer.epoch.load();
    memory.control().exporter.state = code(ring::ExporterState::Connected);
    client.poll(now);
  }
  /// Lets the client join, import the device and read its descriptors.
  RingClientPeer& open() {
    client.import("1-1", [this](Result<void> result) { ready = std::move(result); });
    accept();
    const auto question = submission();
    const usbip::ImportReply reply{.device = usbip::encode_device(test_address(), model)};
    std::memcpy(arena(question.payload, sizeof(reply)).data(), &reply, sizeof(reply));
    put({.kind = static_cast<std::uint16_t>(ring::Kind::Imported),
         .actual_length = static_cast<std::uint32_t>(sizeof(reply))});
    while (!ready) answer_descriptor();
    return *this;
  }
  void put(const ring::Entry& entry) {
    port.put(entry);
    settle();
  }
  void complete(const ring::Entry& submitted, std::uint32_t actual_length,
                usb::Status status = usb::Status::Ok) {
    put({.kind = static_cast<std::uint16_t>(ring::Kind::Completed),
         .tag = submitted.tag,
         .status = usbip::encode_status(status),
         .actual_length = actual_length});
  }
  /// Completes an IN URB with data in its place.
  void complete_in(const ring::Entry& submitted, Bytes data) {
    if (!data.empty()) {
      std::memcpy(arena(submitted.payload, data.size()).data(), data.data(), data.size());
    }
    complete(submitted, static_cast<std::uint32_t>(data.size()));
  }
  void settle() {
    while (client.poll(now)) {
    }
  }
  std::vector<ring::Entry> take() {
    settle();
    std::vector<ring::Entry> entries;
    while (const auto entry = port.take()) entries.push_back(*entry);
    port.release_taken();
    return entries;
  }
  /// The one entry that the client has put since the last look.
  ring::Entry submission() {
    const auto all = take();
    if (all.size() != 1) std::abort();
    return all.front();
  }
  [[nodiscard]] MutableBytes arena(std::uint64_t offset, std::size_t length) const {
    return memory.bytes.subspan(layout.arena_offset + offset, length);
  }
  /// Submits an IN URB; returns what the client put for it.
  ring::Entry in(usb::EndpointAddress endpoint, std::uint32_t length,
                 usb::TransferType type = usb::TransferType::Bulk) {
    auto urb = make_in(done, endpoint, length, type);
    handle = urb.handle();
    client.submit(std::move(urb));
    return submission();
  }
  ring::Entry out(usb::EndpointAddress endpoint, Bytes data) {
    auto urb = make_out(client, done, endpoint, data);
    handle = urb.handle();
    client.submit(std::move(urb));
    return submission();
  }
  [[nodiscard]] bool alive() const { return !client.finished(); }

  usb::DeviceModel model;
  TimePoint now = kRingStart;
  RingMemory memory = make_ring_memory();
  ring::Layout layout = test_layout(memory);
  CountingWaker waker;
  Completions done;
  std::optional<Result<void>> ready;
  int gone = 0;
  usb::UrbHandle handle;  ///< Of the URB submitted last.
  RingClient client{memory, 77, kRingStart};
  RingPort port{memory, layout, RingPort::Side::Exporter};

 private:
  void answer_descriptor() {
    const auto asked = submission();
    if (const auto answer = descriptor_answer(model, asked.setup)) {
      complete_in(asked, *answer);
    } else {
      complete(asked, 0, usb::Status::Stalled);
    }
  }
};

}  // namespace periprox::session::testing

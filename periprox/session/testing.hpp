// What tests and fuzz targets of sessions share: a device driven by hand, exports, messages written
// out and read back, and a wire between two sessions that cuts the bytes anywhere.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "periprox/base/protocol.hpp"
#include "periprox/session/exports.hpp"
#include "periprox/usb/device.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::session::testing {

namespace usbip = wire::usbip;
using ByteVector = std::vector<std::byte>;

inline constexpr std::size_t kAnySize = static_cast<std::size_t>(-1);

// ---- Bytes
// ------------------------------------------------------------------------------------------

/// `count` bytes that differ from those of another `seed` and do not repeat every 256.
inline ByteVector pattern(std::size_t count, std::uint32_t seed = 1) {
  ByteVector bytes(count);
  std::uint32_t state = seed * 2654435761U + 12345;
  for (auto& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

inline void append(ByteVector& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

inline ByteVector operator+(ByteVector a, const ByteVector& b) {
  append(a, b);
  return a;
}

template <typename T>
ByteVector to_vector(const T& value) {
  const auto bytes = bytes_of(value);
  return {bytes.begin(), bytes.end()};
}

// ---- The pump's part
// --------------------------------------------------------------------------------

/// Hands `bytes` to a protocol, at most `step` at a time, until it takes no more. Returns how many
/// it took.
inline std::size_t feed(Protocol& protocol, Bytes bytes, std::size_t step = kAnySize) {
  std::size_t fed = 0;
  while (fed < bytes.size()) {
    const auto places = protocol.receive_into();
    const std::size_t limit = std::min(step, bytes.size() - fed);
    std::size_t count = 0;
    for (const auto& place : places) {
      const std::size_t here = std::min(place.size(), limit - count);
      if (here > 0) std::memcpy(place.data(), bytes.data() + fed + count, here);
      count += here;
    }
    if (count == 0) break;
    fed += count;
    protocol.received(count);
  }
  return fed;
}

/// Takes at most `limit` of what a protocol wants written.
inline ByteVector collect(Protocol& protocol, std::size_t limit = kAnySize) {
  ByteVector bytes;
  std::array<Bytes, 4> segments;
  while (bytes.size() < limit) {
    const std::size_t count = protocol.gather(segments);
    const std::size_t before = bytes.size();
    for (std::size_t i = 0; i < count; ++i) {
      append(bytes, segments[i].first(std::min(segments[i].size(), limit - bytes.size())));
    }
    if (bytes.size() == before) break;
    protocol.written(bytes.size() - before);
  }
  return bytes;
}

/// Counts how often a protocol asked to be looked at.
struct CountingWaker final : Waker {
  void wake() override { ++wakes; }
  std::size_t wakes = 0;
};

// ---- A device
// ---------------------------------------------------------------------------------------

// The endpoints of test_model(): a pair of each type on interface 0 (isochronous on setting 1 of
// interface 1, so that one of them comes and goes).
inline constexpr usb::EndpointAddress kControl{0};
inline constexpr usb::EndpointAddress kBulkIn{0x81};
inline constexpr usb::EndpointAddress kBulkOut{0x01};
inline constexpr usb::EndpointAddress kInterruptIn{0x82};
inline constexpr usb::EndpointAddress kInterruptOut{0x02};
inline constexpr usb::EndpointAddress kIsoIn{0x83};
inline constexpr usb::EndpointAddress kIsoOut{0x03};
inline constexpr usb::EndpointAddress kIsoInOfSetting1{0x84};
inline constexpr usb::EndpointAddress kMissing{0x8b};

inline usb::Endpoint test_endpoint(usb::EndpointAddress address, usb::TransferType type,
                                   std::uint16_t size, std::uint8_t interval) {
  usb::Endpoint endpoint;
  endpoint.descriptor.bEndpointAddress = address.value();
  endpoint.descriptor.bmAttributes = static_cast<std::uint8_t>(type);
  endpoint.descriptor.wMaxPacketSize = size;
  endpoint.descriptor.bInterval = interval;
  return endpoint;
}

/// A configured high-speed device with all kinds of endpoints.
inline usb::DeviceModel test_model() {
  using usb::TransferType;
  usb::Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  usb::AlternateSetting main;
  main.descriptor.bInterfaceClass = 0xff;
  main.endpoints = {
      test_endpoint(kBulkIn, TransferType::Bulk, 512, 0),
      test_endpoint(kBulkOut, TransferType::Bulk, 512, 0),
      test_endpoint(kInterruptIn, TransferType::Interrupt, 64, 4),
      test_endpoint(kInterruptOut, TransferType::Interrupt, 64, 4),
      test_endpoint(kIsoIn, TransferType::Isochronous, 1024, 1),
      test_endpoint(kIsoOut, TransferType::Isochronous, 1024, 1),
  };
  usb::AlternateSetting idle;
  idle.descriptor.bInterfaceNumber = 1;
  usb::AlternateSetting streaming = idle;
  streaming.descriptor.bAlternateSetting = 1;
  streaming.endpoints = {test_endpoint(kIsoInOfSetting1, TransferType::Isochronous, 512, 1)};
  configuration.interfaces = {{0, {main}}, {1, {idle, streaming}}};

  usb::DeviceDescriptor descriptor;
  descriptor.idVendor = std::uint16_t{0x1209};
  descriptor.idProduct = std::uint16_t{0x0001};
  descriptor.bcdDevice = std::uint16_t{0x0102};
  descriptor.bNumConfigurations = 1;
  usb::DeviceModel model(usb::Speed::High, descriptor, {configuration});
  model.set_configuration(1);
  return model;
}

/// What a device answers to a request for a descriptor or its configuration; empty for all others.
inline std::optional<ByteVector> descriptor_answer(const usb::DeviceModel& model,
                                                   const usb::SetupPacket& setup) {
  ByteVector bytes;
  if (setup.bmRequestType != 0x80) return std::nullopt;
  if (setup.is_standard(usb::StandardRequest::GetConfiguration)) {
    bytes = {std::byte{model.configuration_value()}};
  } else if (!setup.is_standard(usb::StandardRequest::GetDescriptor)) {
    return std::nullopt;
  } else {
    const std::size_t index = setup.wValue & 0xff;
    const auto type = static_cast<usb::DescriptorType>(setup.wValue >> 8);
    if (type == usb::DescriptorType::Device) {
      bytes = to_vector(model.descriptor());
    } else if (type == usb::DescriptorType::Configuration &&
               index < model.configurations().size()) {
      bytes = usb::build_configuration(model.configurations()[index]);
    } else if (type == usb::DescriptorType::Bos && !model.bos.empty()) {
      bytes = model.bos;
    } else if (type == usb::DescriptorType::String && index == 0) {
      constexpr std::array<std::uint16_t, 1> kEnglish{0x0409};
      bytes = usb::build_language_list(kEnglish);
    } else if (type == usb::DescriptorType::String && index == 1) {
      bytes = usb::build_string(model.manufacturer);
    } else if (type == usb::DescriptorType::String && index == 2) {
      bytes = usb::build_string(model.product);
    } else if (type == usb::DescriptorType::String && index == 3) {
      bytes = usb::build_string(model.serial_number);
    } else {
      return std::nullopt;
    }
  }
  bytes.resize(std::min<std::size_t>(bytes.size(), setup.wLength));
  return bytes;
}

/// Puts `data` into an IN URB (making room where the submitter gave none) and completes it.
inline void complete_in(usb::Device& device, usb::Urb urb, Bytes data,
                        usb::Status status = usb::Status::Ok) {
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(data.size(), urb->length));
  if (urb->payload.capacity() < count) urb->payload = device.allocate(urb->length);
  if (urb->payload.capacity() < count) {
    urb.complete(usb::Status::NoMemory, 0);
    return;
  }
  if (count > 0) std::memcpy(urb->payload.data(), data.data(), count);
  urb.complete(status, count);
}

/// Holds the URBs it gets until the test completes them.
class FakeDevice final : public usb::Device {
 public:
  enum class OnCancel { CompleteAtOnce, CompleteLater, RealResult };

  explicit FakeDevice(usb::DeviceModel model = test_model()) : model_(std::move(model)) {}

  [[nodiscard]] const usb::DeviceModel& model() const override { return model_; }
  void submit(usb::Urb urb) override {
    ++submitted;
    if (is_gone_) {
      urb.complete(usb::Status::DeviceGone, 0);
    } else if (on_submit) {
      on_submit(std::move(urb));
    } else {
      held.push_back(std::move(urb));
    }
  }
  void cancel(usb::UrbHandle urb) override {
    ++cancels;
    const auto found =
        std::ranges::find_if(held, [&](const auto& each) { return each.handle() == urb; });
    if (found == held.end() || on_cancel == OnCancel::CompleteLater) return;
    const auto index = static_cast<std::size_t>(found - held.begin());
    auto taken = take(index);
    if (on_cancel == OnCancel::RealResult) {
      finish(std::move(taken), usb::Status::Ok, real_result);
    } else {
      taken.complete(usb::Status::Cancelled, 0);
    }
  }
  [[nodiscard]] Payload allocate(std::uint32_t size) override {
    if (out_of_memory) return {};
    return payloads.allocate(size);
  }
  void on_gone(std::function<void()> handler) override { gone_handler_ = std::move(handler); }

  /// Takes a held URB out, for the test to do with it as it likes.
  usb::Urb take(std::size_t index = 0) {
    auto urb = std::move(held.at(index));
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(index));
    return urb;
  }
  /// Completes a held URB: IN with `data`, OUT as taken whole.
  void complete(std::size_t index = 0, Bytes data = {}, usb::Status status = usb::Status::Ok) {
    finish(take(index), status, data);
  }
  /// Completes a held URB as cancelled, late.
  void complete_cancelled(std::size_t index = 0) {
    take(index).complete(usb::Status::Cancelled, 0);
  }
  /// What is plugged out: everything pending completes, then those who asked are told.
  void go_away() {
    is_gone_ = true;
    while (!held.empty()) take().complete(usb::Status::DeviceGone, 0);
    if (const auto handler = std::exchange(gone_handler_, {})) handler();
  }
  usb::DeviceModel& model_to_change() { return model_; }

  std::deque<usb::Urb> held;
  std::function<void(usb::Urb)> on_submit;  ///< Instead of holding.
  OnCancel on_cancel = OnCancel::CompleteAtOnce;
  ByteVector real_result;  ///< What a cancel that lost the race delivers.
  bool out_of_memory = false;
  std::size_t submitted = 0;
  std::size_t cancels = 0;
  PayloadPool payloads;

 private:
  void finish(usb::Urb urb, usb::Status status, Bytes data) {
    if (urb->is_in()) {
      complete_in(*this, std::move(urb), data, status);
    } else {
      const auto length = urb->length;
      urb.complete(status, status == usb::Status::Ok ? length : 0);
    }
  }

  usb::DeviceModel model_;
  std::function<void()> gone_handler_;
  bool is_gone_ = false;
};

inline constexpr std::uint32_t kDevid = 1U << 16 | 2;
inline usbip::DeviceAddress test_address() {
  return {.path = "/test/1-1", .busid = "1-1", .busnum = 1, .devnum = 2};
}

/// Exports the devices that a test puts in.
class FakeExports final : public Exports {
 public:
  std::vector<ListedDevice> list() override { return listed; }
  void claim(std::string_view busid, std::string_view peer,
             std::function<void(ClaimResult)> done) override {
    claimed_busids.emplace_back(busid);
    claimed_peer = peer;
    if (answer_later) {
      waiting.push_back(std::move(done));
    } else {
      done(result_of(busid));
    }
  }
  ClaimResult result_of(std::string_view busid) {
    if (refusal) return *refusal;
    const auto found = devices.find(std::string(busid));
    if (found == devices.end()) return usbip::OpStatus::NoSuchDevice;
    return lease(*found->second);
  }
  Lease lease(usb::Device& device) {
    return Lease(device, test_address(), [this] { ++released; });
  }

  std::map<std::string, usb::Device*> devices;
  std::vector<ListedDevice> listed;
  std::optional<usbip::OpStatus> refusal;
  bool answer_later = false;
  std::vector<std::function<void(ClaimResult)>> waiting;
  std::vector<std::string> claimed_busids;
  std::string claimed_peer;
  int released = 0;
};

// ---- Messages
// ---------------------------------------------------------------------------------------

/// The fields of a CMD_SUBMIT that tests vary.
struct Submit {
  std::uint32_t seqnum = 1;
  usb::EndpointAddress endpoint = kBulkIn;
  std::int32_t length = 0;
  std::uint32_t flags = 0;
  std::int32_t packets = 0;
  std::int32_t interval = 0;
  usb::SetupPacket setup{};
  std::uint32_t devid = kDevid;
};

inline ByteVector cmd_submit(const Submit& submit, Bytes data = {},
                             const std::vector<usbip::IsoDescriptor>& descriptors = {}) {
  const usbip::CmdSubmit header{.basic = {.command = std::uint32_t{1},
                                          .seqnum = submit.seqnum,
                                          .devid = submit.devid,
                                          .direction = submit.endpoint.is_in() ? 1U : 0U,
                                          .ep = std::uint32_t{submit.endpoint.number()}},
                                .transfer_flags = submit.flags,
                                .transfer_buffer_length = submit.length,
                                .number_of_packets = submit.packets,
                                .interval = submit.interval,
                                .setup = submit.setup};
  auto bytes = to_vector(header);
  append(bytes, data);
  append(bytes, std::as_bytes(std::span(descriptors)));
  return bytes;
}

inline ByteVector cmd_out(std::uint32_t seqnum, Bytes data,
                          usb::EndpointAddress endpoint = kBulkOut) {
  return cmd_submit(
      {.seqnum = seqnum, .endpoint = endpoint, .length = static_cast<std::int32_t>(data.size())},
      data);
}

inline ByteVector cmd_in(std::uint32_t seqnum, std::int32_t length,
                         usb::EndpointAddress endpoint = kBulkIn) {
  return cmd_submit({.seqnum = seqnum, .endpoint = endpoint, .length = length});
}

inline ByteVector cmd_unlink(std::uint32_t seqnum, std::uint32_t target,
                             std::uint32_t devid = kDevid) {
  return to_vector(
      usbip::CmdUnlink{.basic = {.command = std::uint32_t{2}, .seqnum = seqnum, .devid = devid},
                       .unlink_seqnum = target});
}

/// The fields of a RET_SUBMIT that tests vary.
struct Return {
  std::uint32_t seqnum = 1;
  std::int32_t status = 0;
  std::int32_t actual_length = 0;
  std::int32_t packets = 0;
  std::int32_t start_frame = 0;
};

inline ByteVector ret_submit(const Return& ret, Bytes data = {},
                             const std::vector<usbip::IsoDescriptor>& descriptors = {}) {
  auto bytes =
      to_vector(usbip::RetSubmit{.basic = {.command = std::uint32_t{3}, .seqnum = ret.seqnum},
                                 .status = ret.status,
                                 .actual_length = ret.actual_length,
                                 .start_frame = ret.start_frame,
                                 .number_of_packets = ret.packets});
  append(bytes, data);
  append(bytes, std::as_bytes(std::span(descriptors)));
  return bytes;
}

inline ByteVector ret_in(std::uint32_t seqnum, Bytes data) {
  return ret_submit({.seqnum = seqnum, .actual_length = static_cast<std::int32_t>(data.size())},
                    data);
}

inline ByteVector ret_unlink(std::uint32_t seqnum, std::int32_t status) {
  return to_vector(
      usbip::RetUnlink{.basic = {.command = std::uint32_t{4}, .seqnum = seqnum}, .status = status});
}

/// `count` packets of `length` bytes each, every one `gap` bytes behind the end of the one before.
inline std::vector<usbip::IsoDescriptor> iso_layout(std::uint32_t count, std::uint32_t length,
                                                    std::uint32_t gap = 0) {
  std::vector<usbip::IsoDescriptor> descriptors;
  for (std::uint32_t i = 0; i < count; ++i) {
    descriptors.push_back(
        {i * (length + gap), length, std::uint32_t{0}, usbip::kIsoStatusAtSubmit});
  }
  return descriptors;
}

/// A reply of a server, taken apart.
struct Reply {
  usbip::Command command{};
  std::uint32_t seqnum = 0;
  std::int32_t status = 0;
  std::int32_t actual_length = 0;
  std::int32_t packets = 0;
  std::int32_t error_count = 0;
  ByteVector data;
  std::vector<usbip::IsoDescriptor> descriptors;

  [[nodiscard]] bool is_submit() const { return command == usbip::Command::RetSubmit; }
};

/// Reads what a server wrote. It must be told of every CMD_SUBMIT, because a reply does not say how
/// long it is.
class ReplyReader {
 public:
  /// `packets` descriptors will follow the reply.
  void expect(std::uint32_t seqnum, bool is_in, std::int32_t packets = 0) {
    asked_[seqnum] = {is_in, packets};
  }
  /// The whole replies in what was written so far; the start of another is kept.
  std::vector<Reply> read(Bytes written) {
    append(bytes_, written);
    std::vector<Reply> replies;
    while (auto reply = take()) replies.push_back(std::move(*reply));
    return replies;
  }
  [[nodiscard]] std::size_t left() const { return bytes_.size(); }

 private:
  struct Asked {
    bool is_in = false;
    std::int32_t packets = 0;
  };

  std::optional<Reply> take() {
    ByteReader reader(bytes_);
    const auto header = reader.take<usbip::RetSubmit>();
    if (!header) return std::nullopt;
    Reply reply{.command = static_cast<usbip::Command>(std::uint32_t{header->basic.command}),
                .seqnum = header->basic.seqnum,
                .status = header->status};
    if (reply.command == usbip::Command::RetSubmit) {
      const auto asked = asked_.find(reply.seqnum);
      // A reply to nothing leaves the stream without a next header: nothing sensible can follow.
      if (asked == asked_.end()) std::abort();
      reply.actual_length = header->actual_length;
      reply.packets = header->number_of_packets;
      reply.error_count = header->error_count;
      if (asked->second.is_in) {
        const auto data = reader.take_bytes(static_cast<std::size_t>(reply.actual_length));
        if (!data) return std::nullopt;
        reply.data.assign(data->begin(), data->end());
      }
      for (std::int32_t i = 0; i < asked->second.packets; ++i) {
        const auto descriptor = reader.take<usbip::IsoDescriptor>();
        if (!descriptor) return std::nullopt;
        reply.descriptors.push_back(*descriptor);
      }
    }
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(reader.offset()));
    return reply;
  }

  std::map<std::uint32_t, Asked> asked_;
  ByteVector bytes_;
};

// ---- A wire between two protocols
// --------------------------------------------------------------------

/// Carries bytes between two protocols as a pump and a network would, cut at places that one seed
/// decides.
class MemoryWire {
 public:
  MemoryWire(Protocol& a, Protocol& b, std::uint32_t seed) : a_(a), b_(b), random_(seed) {}

  /// Moves bytes both ways until neither side has any for the other.
  void settle() {
    while (move_some()) {
    }
  }
  /// Moves one piece each way; false when nothing moved.
  bool move_some() {
    const bool there = carry(a_, to_b_, b_);
    const bool back = carry(b_, to_a_, a_);
    return there || back;
  }
  TimePoint now{};

 private:
  std::size_t piece() {
    // Mostly short, so that headers are cut too, and sometimes as much as there is.
    const auto roll = random_() % 8;
    if (roll == 0) return kAnySize;
    return 1 + random_() % (roll < 5 ? 64 : 40'000);
  }
  bool carry(Protocol& from, ByteVector& between, Protocol& to) {
    const auto bytes = collect(from, piece());
    append(between, bytes);
    const auto offered = std::min(piece(), between.size());
    const auto fed = feed(to, Bytes(between).first(offered), piece());
    between.erase(between.begin(), between.begin() + static_cast<std::ptrdiff_t>(fed));
    return !bytes.empty() || fed > 0;
  }

  Protocol& a_;
  Protocol& b_;
  std::mt19937 random_;
  ByteVector to_a_;
  ByteVector to_b_;
};

/// Keeps the URBs that came back.
class Completions final : public usb::CompletionSink {
 public:
  struct Outcome {
    std::uint64_t cookie = 0;
    usb::Status status{};
    std::uint32_t actual_length = 0;
    ByteVector data;
    std::vector<usb::IsoPacket> iso_packets;
    std::uint32_t error_count = 0;
  };

  void on_completed(usb::Urb urb, std::uint64_t cookie) override {
    Outcome outcome{.cookie = cookie,
                    .status = urb->status,
                    .actual_length = urb->actual_length,
                    .data = {},
                    .iso_packets = urb->iso_packets,
                    .error_count = urb->error_count};
    if (urb->is_in() && urb->payload) {
      const bool sparse = urb->type == usb::TransferType::Isochronous;
      const auto bytes = urb->payload.first(sparse ? urb->length : urb->actual_length);
      outcome.data.assign(bytes.begin(), bytes.end());
    }
    outcomes.push_back(std::move(outcome));
    if (then) then();
  }

  std::vector<Outcome> outcomes;
  std::function<void()> then;
};

/// An IN URB for `device`, ready to be submitted.
inline usb::Urb make_in(Completions& sink, usb::EndpointAddress endpoint, std::uint32_t length,
                        usb::TransferType type = usb::TransferType::Bulk,
                        std::uint64_t cookie = 0) {
  auto urb = usb::Urb::create();
  urb->endpoint = endpoint;
  urb->type = type;
  urb->length = length;
  urb.push_sink(sink, cookie);
  return urb;
}

/// An OUT URB with data in memory of `device`.
inline usb::Urb make_out(usb::Device& device, Completions& sink, usb::EndpointAddress endpoint,
                         Bytes data, usb::TransferType type = usb::TransferType::Bulk,
                         std::uint64_t cookie = 0) {
  auto urb = make_in(sink, endpoint, static_cast<std::uint32_t>(data.size()), type, cookie);
  urb->payload = device.allocate(urb->length);
  if (!data.empty()) std::memcpy(urb->payload.data(), data.data(), data.size());
  return urb;
}

}  // namespace periprox::session::testing

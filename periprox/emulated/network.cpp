#include "periprox/emulated/network.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "periprox/emulated/cdc.hpp"

namespace periprox::emulated {
namespace {

constexpr int kClassInterface = static_cast<int>(usb::DescriptorType::ClassInterface);
constexpr std::uint8_t kTransferBlocks = 0x01;  // bInterfaceProtocol of the data interface

/// bmNetworkCapabilities (NCM 1.0, table 5-2): SetEthernetPacketFilter, and nothing optional.
constexpr int kNcmCapabilities = 0x01;

/// The least that a host may set (NCM 1.0, 6.2.7).
constexpr std::uint32_t kLeastInputSize = 2048;

/// The answer to GET_NTB_PARAMETERS (NCM 1.0, table 6-3).
struct NtbParameters {
  le16 wLength{28};
  le16 bmNtbFormatsSupported{1};  // 16-bit blocks
  le32 dwNtbInMaxSize{ntb::kMaxBlockSize};
  le16 wNdpInDivisor{ntb::kAlignment};
  le16 wNdpInPayloadRemainder{0};
  le16 wNdpInAlignment{ntb::kAlignment};
  le16 wReserved{};
  le32 dwNtbOutMaxSize{ntb::kMaxBlockSize};
  le16 wNdpOutDivisor{ntb::kAlignment};
  le16 wNdpOutPayloadRemainder{0};
  le16 wNdpOutAlignment{ntb::kAlignment};
  le16 wNtbOutMaxDatagrams{0};  // as many as the host likes
};
static_assert(sizeof(NtbParameters) == 28);

/// What a bulk pipe carries: packets in a microframe times their size.
std::uint32_t bits_per_second(usb::Speed speed) {
  if (usb::is_super(speed)) return std::numeric_limits<std::uint32_t>::max();
  return usb::uses_microframes(speed) ? 13U * 512 * 8 * 8000 : 19U * 64 * 8 * 1000;
}

/// As iMACAddress wants it: twelve capital digits.
std::string address_text(const MacAddress& address) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  for (const auto byte : address) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text;
}

}  // namespace

std::optional<MacAddress> parse_mac_address(std::string_view text) {
  constexpr std::size_t kLength = 17;
  if (text.size() != kLength) return std::nullopt;
  MacAddress address{};
  for (std::size_t i = 0; i < address.size(); ++i) {
    const auto digits = text.substr(3 * i, 2);
    const auto [stop, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), address[i], 16);
    const bool ends = i + 1 == address.size() || text[3 * i + 2] == ':';
    if (failure != std::errc{} || stop != digits.data() + digits.size() || !ends) {
      return std::nullopt;
    }
  }
  const bool is_group = (address[0] & 1) != 0;
  return is_group ? std::nullopt : std::optional(address);
}

NetworkAdapter::NetworkAdapter(const Options& options, std::unique_ptr<ByteStream> stream)
    : options_(options), stream_(std::move(stream)) {
  // The stream belongs to this, and calls nobody once it is gone.
  stream_->on_connection([this] { tell(); });
}

// --- From the host -------------------------------------------------------------------------------

/// A message ends with a short packet, or is as large as one can be (NCM 1.0, 3.2.2; ECM 1.2,
/// 3.3.1).
void NetworkAdapter::take(OutTransfer transfer) {
  const std::size_t most = is_ncm() ? ntb::kMaxBlockSize : kMaxFrame;
  // One that the host took back while it was leaving is over.
  if (!leaving_.empty()) message_.clear();
  leaving_.clear();
  const auto data = transfer.data();
  const auto taken = std::min(data.size(), most + 1 - std::min(message_.size(), most + 1));
  message_.insert(message_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(taken));
  const bool full = is_ncm() && message_.size() == most;
  if (!full && !transfer.ends_short()) return transfer.accept();
  to_stream_ = std::move(transfer);
  message_ended();
}

void NetworkAdapter::message_ended() {
  leaving_.clear();
  left_ = 0;
  if (is_ncm() && !message_.empty()) {
    auto frames = ntb::parse(message_);
    if (!frames) ++malformed_;
    if (frames) leaving_ = std::move(*frames);
  } else if (!message_.empty()) {
    leaving_.push_back(message_);
  }
  std::erase_if(leaving_, [](Bytes frame) { return frame.size() > kMaxFrame; });
  send_on();
}

/// Writes frame by frame as far as the stream has room; the host waits for the rest.
void NetworkAdapter::send_on() {
  if (!to_stream_.pending()) return;
  for (; left_ < leaving_.size(); ++left_, ++frames_) {
    if (stream_->write(leaving_[left_]) == 0) {
      return stream_->when_writable([this] { send_on(); });
    }
  }
  leaving_.clear();
  message_.clear();
  // Taken out first: the answer may bring in the host's next transfer.
  auto transfer = std::move(to_stream_);
  transfer.accept();
}

// --- To the host ---------------------------------------------------------------------------------

void NetworkAdapter::give(InTransfer transfer) {
  to_host_ = std::move(transfer);
  read_on();
}

/// The frame that was held back, or the next one; empty when there is none. Longer ones than
/// Ethernet's are dropped.
Bytes NetworkAdapter::read_frame() {
  if (held_ == 0) {
    do {
      held_ = stream_->read(frame_);
    } while (held_ > kMaxFrame);
  }
  return Bytes(frame_).first(held_);
}

void NetworkAdapter::read_on() {
  if (!to_host_.pending()) return;
  block_.begin(std::min(input_size_, to_host_.length()));
  auto frame = read_frame();
  while (is_ncm() && !frame.empty() && frame.size() <= block_.room()) {
    block_.add(frame);
    held_ = 0;
    frame = read_frame();
  }
  // A host that asks for less than a frame gets none.
  if (is_ncm() && block_.is_empty()) held_ = 0;
  if (is_ncm() ? block_.is_empty() : frame.empty()) {
    if (!stream_->read_ended()) stream_->when_readable([this] { read_on(); });
    return;
  }
  auto transfer = std::move(to_host_);
  if (is_ncm()) return transfer.send(block_.finish(sequence_++));
  held_ = 0;
  transfer.send(frame);
}

// --- Control -------------------------------------------------------------------------------------

void NetworkAdapter::notify(InTransfer transfer) {
  notification_ = std::move(transfer);
  tell();
}

/// Tells the speed first, then whether there is a cable, once each (NCM 1.0, 7.1).
void NetworkAdapter::tell() {
  const bool connected = stream_->is_connected();
  if (!is_on_ || !notification_.pending()) return;
  if (speed_is_told_ && told_connected_ == connected) return;
  auto transfer = std::move(notification_);
  if (!std::exchange(speed_is_told_, true)) {
    told_connected_ = !connected;
    return transfer.send(bytes_of(cdc::ConnectionSpeedChange{
        .wIndex = control_interface_,
        .DLBitRate = bits_per_second_,
        .ULBitRate = bits_per_second_,
    }));
  }
  told_connected_ = connected;
  transfer.send(bytes_of(cdc::NetworkConnection{
      .wValue = static_cast<std::uint16_t>(connected ? 1 : 0), .wIndex = control_interface_}));
}

void NetworkAdapter::set_input_size(ControlTransfer transfer) {
  const auto size = read_as<le32>(transfer.data());
  if (!size || *size < kLeastInputSize || *size > ntb::kMaxBlockSize) return transfer.stall();
  input_size_ = *size;
  transfer.accept();
}

/// Setting 1 of the data interface starts everything anew (NCM 1.0, 7.2).
void NetworkAdapter::switch_data(bool on) {
  is_on_ = on;
  speed_is_told_ = false;
  held_ = 0;
  message_.clear();
  leaving_.clear();
  if (!on) input_size_ = ntb::kMaxBlockSize;
  sequence_ = 0;
  tell();
}

std::vector<Request> NetworkAdapter::requests() {
  const auto self = shared_from_this();
  const auto number = [](cdc::Request request) { return static_cast<std::uint8_t>(request); };
  // The host drops what it does not want to see by itself.
  std::vector<Request> requests{class_out(number(cdc::Request::SetEthernetPacketFilter),
                                          [self](ControlTransfer t) { t.accept(); })};
  if (!is_ncm()) return requests;
  requests.push_back(class_in(number(cdc::Request::GetNtbParameters),
                              [self](ControlTransfer t) { t.send(bytes_of(NtbParameters{})); }));
  requests.push_back(class_in(number(cdc::Request::GetNtbInputSize), [self](ControlTransfer t) {
    t.send(bytes_of(le32(self->input_size_)));
  }));
  requests.push_back(class_out(number(cdc::Request::SetNtbInputSize),
                               [self](ControlTransfer t) { self->set_input_size(std::move(t)); }));
  return requests;
}

// --- Function ------------------------------------------------------------------------------------

Function network_function(const std::shared_ptr<NetworkAdapter>& adapter, Place place) {
  const bool ncm = adapter->is_ncm();
  const auto control = place.interface_number;
  const auto data = static_cast<std::uint8_t>(control + 1);
  const auto notifications = place.endpoint_number;
  const auto bulk = static_cast<std::uint8_t>(notifications + 1);
  const usb::ClassCode code{cdc::kCommunicationsClass,
                            ncm ? cdc::kNetworkControlModel : cdc::kEthernetControlModel, 0};
  adapter->control_interface_ = control;
  adapter->bits_per_second_ = bits_per_second(place.speed);

  constexpr int kMost = NetworkAdapter::kMaxFrame;
  AlternateSetting control_setting{
      .class_code = code,
      .descriptors = {cdc::header(), cdc::union_of(control, data),
                      raw_bytes({13, kClassInterface, static_cast<int>(cdc::Subtype::Ethernet), 0,
                                 0, 0, 0, 0, kMost & 0xff, kMost >> 8, 0, 0, 0})},
      .descriptor_strings = {{.descriptor = 2,
                              .offset = 3,
                              .text = address_text(adapter->options_.address)}},
      .endpoints = {interrupt_in(notifications,
                                 {.max_packet_size = 16, .interval = std::chrono::milliseconds(32)},
                                 [adapter](InTransfer t) { adapter->notify(std::move(t)); })}};
  if (ncm) {
    control_setting.descriptors.push_back(
        raw_bytes({6, kClassInterface, static_cast<int>(cdc::Subtype::NetworkControlModel), 0x00,
                   0x01, kNcmCapabilities}));
  }
  const usb::ClassCode data_code{cdc::kDataClass, 0, ncm ? kTransferBlocks : std::uint8_t{0}};
  Interface data_interface{
      .settings =
          {{.class_code = data_code},
           {.class_code = data_code,
            .endpoints = {bulk_in(bulk, [adapter](InTransfer t) { adapter->give(std::move(t)); }),
                          bulk_out(bulk,
                                   [adapter](OutTransfer t) { adapter->take(std::move(t)); })}}},
      .on_alternate = [adapter](std::uint8_t setting) { adapter->switch_data(setting != 0); }};
  const auto off = [adapter] { adapter->switch_data(false); };
  return {.name = ncm ? "Network adapter (NCM)" : "Network adapter (ECM)",
          .class_code = code,
          .interfaces = {Interface{.settings = {std::move(control_setting)},
                                   .requests = adapter->requests()},
                         std::move(data_interface)},
          .on_reset = off,
          .on_configuration = [off](std::uint8_t) { off(); }};
}

}  // namespace periprox::emulated

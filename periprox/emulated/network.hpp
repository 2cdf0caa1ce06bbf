// A network adapter: NCM, which moves many frames in one transfer, or ECM for hosts that are old
// (CDC Subclass Specifications for Network Control Model Devices 1.0 and for Ethernet Control Model
// Devices 1.2). Its cable is a stream that keeps packets apart: a TAP device, a datagram socket.
//
//     host --bulk OUT--> frames --> stream.write(), a whole frame in each call
//     host <--bulk IN--- frames <-- stream.read(), a whole frame in each call
//
// Frames that the stream has no room for make the host wait; none is dropped on the way.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/byte_stream.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/emulated/function.hpp"
#include "periprox/emulated/ntb.hpp"

namespace periprox::emulated {

using MacAddress = std::array<std::uint8_t, 6>;

/// Reads "02:50:50:00:00:01"; empty for anything else and for group addresses.
[[nodiscard]] std::optional<MacAddress> parse_mac_address(std::string_view text);

/// An adapter and the cable in it. Held by shared_ptr; single-threaded.
class NetworkAdapter : public std::enable_shared_from_this<NetworkAdapter> {
 public:
  enum class Model : std::uint8_t { Ncm, Ecm };
  struct Options {
    Model model = Model::Ncm;
    /// The address that the host takes.
    MacAddress address = {0x02, 0x50, 0x50, 0, 0, 1};
  };

  /// The link is up while the stream is connected.
  NetworkAdapter(const Options& options, std::unique_ptr<ByteStream> stream);
  NetworkAdapter(const NetworkAdapter&) = delete;
  NetworkAdapter& operator=(const NetworkAdapter&) = delete;

  /// Frames that came from the host, and blocks of it that made no sense and were dropped.
  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  [[nodiscard]] std::uint64_t malformed_blocks() const { return malformed_; }

  /// Ethernet header and 1500 bytes: wMaxSegmentSize.
  static constexpr std::uint32_t kMaxFrame = 1514;

 private:
  friend Function network_function(const std::shared_ptr<NetworkAdapter>& adapter, Place place);

  void take(OutTransfer transfer);
  void message_ended();
  void send_on();
  void give(InTransfer transfer);
  void read_on();
  [[nodiscard]] Bytes read_frame();
  void notify(InTransfer transfer);
  void tell();
  void set_input_size(ControlTransfer transfer);
  void switch_data(bool on);
  [[nodiscard]] std::vector<Request> requests();
  [[nodiscard]] bool is_ncm() const { return options_.model == Model::Ncm; }

  Options options_;
  std::unique_ptr<ByteStream> stream_;
  std::uint8_t control_interface_ = 0;
  std::uint32_t bits_per_second_ = 0;

  OutTransfer to_stream_;
  std::vector<std::byte> message_;  // What the host has sent of one block or frame.
  std::vector<Bytes> leaving_;      // Frames in message_ on their way into the stream.
  std::size_t left_ = 0;            // How many of them have left.

  InTransfer to_host_;
  std::array<std::byte, 2048> frame_{};
  std::size_t held_ = 0;  // Bytes in frame_ that did not fit into the last block.
  ntb::Builder block_;
  std::uint32_t input_size_ = ntb::kMaxBlockSize;
  std::uint16_t sequence_ = 0;

  InTransfer notification_;
  bool speed_is_told_ = false;
  bool told_connected_ = false;
  bool is_on_ = false;

  std::uint64_t frames_ = 0;
  std::uint64_t malformed_ = 0;
};

/// The adapter as a function: a control and a data interface, three endpoints of two numbers.
[[nodiscard]] Function network_function(const std::shared_ptr<NetworkAdapter>& adapter,
                                        Place place);

[[nodiscard]] DeviceType network_type();

}  // namespace periprox::emulated

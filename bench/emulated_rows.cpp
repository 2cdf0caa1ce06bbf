// Storage: every command is what a host makes of it, a command block, its data and its status, each
// a transfer of host/local on one loop with the disk. The file is in the page cache, so that what
// is measured is our own work. Isochronous: eight URBs of 32 packets are always pending, as the
// drivers of cameras have it; a frame between two URBs is a missed one.
#include "bench/emulated_rows.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "periprox/base/endian.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/emulated/catalog.hpp"
#include "periprox/host/blocking.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kSector = 512;
constexpr std::size_t kImageSize = std::size_t{64} << 20;
constexpr std::uint32_t kLargestAccess = std::uint32_t{1} << 20;
constexpr std::size_t kPage = 4096;
constexpr usb::EndpointAddress kDiskIn(0x81);
constexpr usb::EndpointAddress kDiskOut(0x01);

struct Access {
  bool is_write = false;
  std::uint32_t size = 0;
  std::vector<std::uint64_t> positions = {};
};

/// COMMAND BLOCK WRAPPER with READ(10) or WRITE(10) in it (Bulk-Only Transport 1.0, table 5.1).
struct CommandBlock {
  le32 dCBWSignature{0x43425355};
  le32 dCBWTag{1};
  le32 dCBWDataTransferLength{};
  std::uint8_t bmCBWFlags = 0;
  std::uint8_t bCBWLUN = 0;
  std::uint8_t bCBWCBLength = 10;
  std::uint8_t operation = 0x28;
  std::uint8_t flags = 0;
  be32 address{};
  std::uint8_t group = 0;
  be16 sectors{};
  std::array<std::uint8_t, 7> rest{};
};
static_assert(sizeof(CommandBlock) == 31);

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Ends the program: figures of transfers that failed mean nothing.
[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "periprox_bench: {}\n", why);
  std::exit(1);
}

/// An image file and an emulated disk on it.
class Disk {
 public:
  Disk() : path_(std::filesystem::temp_directory_path() / "periprox-bench.img") {
    file_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file_) give_up("cannot make " + path_.string());
    // Aligned, as the memory of payloads is: the kernel copies many times slower otherwise.
    void* place = memory_.data();
    std::size_t space = memory_.size();
    std::align(kPage, kLargestAccess, place, space);
    data_ = MutableBytes(static_cast<std::byte*>(place), kLargestAccess);
    std::ranges::fill(data_, std::byte{0x5a});
    for (std::size_t at = 0; at < kImageSize; at += data_.size()) {
      if (::pwrite(file_.get(), data_.data(), data_.size(), static_cast<off_t>(at)) < 0) {
        give_up("cannot write " + path_.string());
      }
    }
    auto created = emulated::create("storage", {{"image", path_.string()}, {"speed", "super"}},
                                    emulated::Surroundings{.timers = loop_});
    if (!created) give_up(created.error().text());
    device_ = std::move(*created);
    host_ = std::make_unique<host::Blocking>(loop_, *device_);
  }
  ~Disk() { std::filesystem::remove(path_); }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  /// MB/s of the file itself.
  [[nodiscard]] double bare(const Access& access) {
    const auto begin = Clock::now();
    for (const auto position : access.positions) {
      const auto at = static_cast<off_t>(position);
      const auto moved = access.is_write ? ::pwrite(file_.get(), data_.data(), access.size, at)
                                         : ::pread(file_.get(), data_.data(), access.size, at);
      if (moved != static_cast<ssize_t>(access.size)) give_up("the file ended early");
    }
    return rate(access, begin);
  }
  /// MB/s of the disk.
  [[nodiscard]] double ours(const Access& access) {
    constexpr auto kTimeout = std::chrono::seconds(10);
    const auto begin = Clock::now();
    for (const auto position : access.positions) {
      CommandBlock command{.dCBWDataTransferLength = access.size,
                           .bmCBWFlags = static_cast<std::uint8_t>(access.is_write ? 0 : 0x80),
                           .operation = static_cast<std::uint8_t>(access.is_write ? 0x2a : 0x28),
                           .address = static_cast<std::uint32_t>(position / kSector),
                           .sectors = static_cast<std::uint16_t>(access.size / kSector)};
      (void)host_->out(kDiskOut, bytes_of(command), {}, kTimeout);
      const auto data = access.is_write
                            ? host_->out(kDiskOut, data_.first(access.size), {}, kTimeout)
                            : host_->in(kDiskIn, access.size, kTimeout);
      const auto status = host_->in(kDiskIn, 13, kTimeout);
      if (data.actual_length != access.size || status.data.back() != std::byte{0}) {
        give_up("a command of the disk failed");
      }
    }
    return rate(access, begin);
  }

 private:
  static double rate(const Access& access, Clock::time_point begin) {
    return static_cast<double>(access.positions.size()) * access.size / 1e6 / seconds_since(begin);
  }

  std::filesystem::path path_;
  UniqueFd file_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(kLargestAccess + kPage);
  MutableBytes data_;
  Loop loop_;
  std::unique_ptr<usb::Device> device_;
  std::unique_ptr<host::Blocking> host_;
};

Access sequential(bool is_write) {
  Access access{.is_write = is_write, .size = kLargestAccess};
  for (std::uint64_t at = 0; at < kImageSize; at += access.size) access.positions.push_back(at);
  return access;
}

Access scattered(bool is_write, std::size_t count) {
  Access access{.is_write = is_write, .size = 4096};
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i < count; ++i) {
    access.positions.push_back(random() % (kImageSize / access.size) * access.size);
  }
  return access;
}

/// Keeps an isochronous pipe busy, counts the frames between its URBs, and how late they come back.
class FrameWatch final : public usb::CompletionSink {
 public:
  /// `epoch` is when the device's frame 0 was.
  FrameWatch(usb::Device& device, usb::EndpointAddress endpoint, Clock::time_point epoch)
      : device_(device), endpoint_(endpoint), epoch_(epoch) {}

  void start() {
    for (int i = 0; i < kPending; ++i) submit();
  }
  void stop() { over_ = true; }
  [[nodiscard]] bool is_idle() const { return pending_ == 0; }
  [[nodiscard]] std::uint64_t missed() const { return missed_; }
  [[nodiscard]] Duration latest() const { return latest_; }

 private:
  static constexpr int kPending = 8;
  static constexpr std::uint32_t kPackets = 32;
  static constexpr std::uint32_t kPacketSize = 1024;
  static constexpr std::uint32_t kFrameMask = 0x7fffffff;
  static constexpr auto kFrame = std::chrono::microseconds(125);

  void submit() {
    auto urb = usb::Urb::create();
    urb->endpoint = endpoint_;
    urb->type = usb::TransferType::Isochronous;
    urb->length = kPackets * kPacketSize;
    for (std::uint32_t i = 0; i < kPackets; ++i) {
      urb->iso_packets.push_back({.offset = i * kPacketSize, .length = kPacketSize});
    }
    urb.push_sink(*this, 0);
    ++pending_;
    device_.submit(std::move(urb));
  }
  void on_completed(usb::Urb urb, std::uint64_t /*cookie*/) override {
    --pending_;
    const auto start = static_cast<std::uint32_t>(urb->start_frame);
    if (packets_ != 0) missed_ += (start - next_) & kFrameMask;
    next_ = start + kPackets;
    packets_ += kPackets;
    latest_ = std::max<Duration>(latest_, Clock::now() - epoch_ - kFrame * next_);
    if (urb->status != usb::Status::Ok) give_up("an isochronous URB failed");
    if (!over_) submit();
  }

  usb::Device& device_;
  usb::EndpointAddress endpoint_;
  Clock::time_point epoch_;
  std::uint64_t packets_ = 0;
  std::uint64_t missed_ = 0;
  Duration latest_{};
  std::uint32_t next_ = 0;
  int pending_ = 0;
  bool over_ = false;
};

}  // namespace

void storage_rows(Bench& bench) {
  if (!bench.wants("storage: sequential read") && !bench.wants("storage: sequential write") &&
      !bench.wants("storage: random read") && !bench.wants("storage: random write")) {
    return;
  }
  Disk disk;
  const auto count = bench.scaled(10'000);
  const auto row = [&](const std::string& name, const Access& access, double bar) {
    bench.compare(
        name, "MB/s", [&] { return disk.bare(access); }, [&] { return disk.ours(access); }, bar,
        false);
  };
  row("storage: sequential read", sequential(false), 0.3);
  row("storage: sequential write", sequential(true), 0.3);
  row("storage: random read, 4 KiB", scattered(false, count), 0.1);
  row("storage: random write, 4 KiB", scattered(true, count), 0.1);
}

void isochronous_rows(Bench& bench, std::chrono::seconds how_long) {
  const auto name = fmt::format("ISO frames missed in {} s", how_long.count());
  if (!bench.wants(name)) return;
  Loop loop;
  const auto epoch = loop.now();
  auto device = emulated::create("zero", {{"iso_interval_us", "125"}}, loop);
  if (!device) give_up(device.error().text());
  host::Blocking host(loop, **device);
  constexpr auto kTimeout = std::chrono::seconds(10);
  const auto set = host.control(usb::SetupPacket::set_interface(0, 1), {}, kTimeout);
  if (set.status != usb::Status::Ok) give_up("the isochronous setting is refused");
  FrameWatch watch(**device, usb::EndpointAddress(0x82), epoch);
  watch.start();
  (void)loop.call_at(loop.now() + how_long, [&] { watch.stop(); });
  loop.run_until([&] { return watch.is_idle(); });
  bench.add({.name = name,
             .unit = "frames",
             .ours = static_cast<double>(watch.missed()),
             .bar = {Bar::Of::Below, 1}});
  bench.add({.name = "... the latest one",
             .unit = "ms",
             .ours = std::chrono::duration<double, std::milli>(watch.latest()).count()});
}

}  // namespace periprox::bench

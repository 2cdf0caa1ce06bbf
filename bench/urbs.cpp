#include "bench/urbs.hpp"

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>
#include <vector>

#include "bench/null_device.hpp"
#include "periprox/link/pump.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/session/usbip_client.hpp"
#include "periprox/session/usbip_server.hpp"
#include "periprox/stage/capture_file.hpp"
#include "periprox/stage/capture_stage.hpp"

namespace periprox::bench {
namespace {

using session::Lease;
using session::UsbipClient;
using session::UsbipServer;

constexpr std::uint32_t kDevid = 0x00010002;

Lease lease_of(usb::Device& device) {
  return {device, {.path = "/bench", .busid = "1-2", .busnum = 1, .devnum = 2}, {}};
}

/// Server sessions on a thread of their own.
class ServerThread {
 public:
  ServerThread(std::vector<UniqueFd> sockets, const FarEnd& far_end) : device_(far_end.copies) {
    if (!far_end.capture.empty()) put_capture_in_front(far_end.capture);
    thread_ =
        std::thread([this, sockets = std::move(sockets)]() mutable { serve(std::move(sockets)); });
  }
  ~ServerThread() {
    loop_.post([this] { loop_.stop(); });
    thread_.join();
    // What is left out costs nothing, and figures with that would be worth nothing.
    const auto dropped = file_ ? file_->buffer().dropped() : 0;
    if (dropped > 0) {
      std::fprintf(stderr, "%llu records were dropped\n", static_cast<unsigned long long>(dropped));
    }
  }

 private:
  void put_capture_in_front(const std::string& path) {
    constexpr std::uint32_t kSnapLength = 64;
    auto file = stage::CaptureFile::open({.path = path}, [](const Error& error) {
      std::fprintf(stderr, "%s\n", error.text().c_str());
      std::exit(1);
    });
    if (!file) {
      std::fprintf(stderr, "%s\n", file.error().text().c_str());
      std::exit(1);
    }
    file_ = std::move(*file);
    // The device is not the stage's to destroy.
    const std::shared_ptr<usb::Device> device(&device_, [](usb::Device*) {});
    stage_ = std::make_unique<stage::CaptureStage>(device, stage::CaptureOptions{.name = "bench"},
                                                   stage::CalendarClock{.timers = &loop_});
    stage_->add(file_->buffer(), kSnapLength);
  }

  void serve(std::vector<UniqueFd> sockets) {
    std::vector<std::unique_ptr<link::Pump>> pumps;
    for (auto& socket : sockets) {
      pumps.push_back(std::make_unique<link::Pump>(loop_, std::move(socket),
                                                   std::make_unique<UsbipServer>(lease_of(front())),
                                                   [](Protocol&) {}));
    }
    loop_.call_at(TimePoint::max(), [] {});  // Keeps the loop running while nothing is connected.
    loop_.run();
  }

  usb::Device& front() {
    if (stage_) return *stage_;
    return device_;
  }

  Loop loop_;
  NullDevice device_;
  std::unique_ptr<stage::CaptureFile> file_;
  std::unique_ptr<stage::CaptureStage> stage_;
  std::thread thread_;
};

}  // namespace

struct UrbPath::Impl {
  Impl(SocketKind kind, std::size_t sessions, const FarEnd& far_end) {
    std::vector<UniqueFd> server_ends;
    std::size_t ready = 0;
    for (std::size_t i = 0; i < sessions; ++i) {
      auto [ours, theirs] = connected_pair(kind);
      server_ends.push_back(std::move(theirs));
      auto client = std::make_unique<UsbipClient>(kDevid, usb::Speed::High, loop.now());
      client->on_ready([&ready](const Result<void>& result) {
        if (!result) {
          std::fprintf(stderr, "%s\n", result.error().text().c_str());
          std::exit(1);
        }
        ++ready;
      });
      traffic.add(*client);
      pumps.push_back(
          std::make_unique<link::Pump>(loop, std::move(ours), std::move(client), [](Protocol&) {}));
    }
    server = std::make_unique<ServerThread>(std::move(server_ends), far_end);
    loop.run_until([&] { return ready == sessions; });
  }

  Loop loop;
  Traffic traffic{loop};
  std::vector<std::unique_ptr<link::Pump>> pumps;
  std::unique_ptr<ServerThread> server;
};

UrbPath::UrbPath(SocketKind kind, std::size_t sessions, const FarEnd& far_end)
    : impl_(std::make_unique<Impl>(kind, sessions, far_end)) {}
UrbPath::~UrbPath() = default;

double UrbPath::run(const UrbShape& shape, std::size_t count, std::size_t in_flight) {
  return impl_->traffic.run(shape, count, in_flight);
}

const std::vector<double>& UrbPath::latencies() const { return impl_->traffic.latencies(); }

double idle_session_bytes(std::size_t sessions) {
  Loop loop;
  NullDevice device;
  std::vector<UniqueFd> peers;
  std::vector<UniqueFd> ends;
  for (std::size_t i = 0; i < sessions; ++i) {
    auto [ours, theirs] = connected_pair(SocketKind::Unix);
    peers.push_back(std::move(ours));
    ends.push_back(std::move(theirs));
  }
  std::vector<std::unique_ptr<link::Pump>> pumps;
  pumps.reserve(sessions);
  const auto before = ::mallinfo2();
  for (auto& end : ends) {
    pumps.push_back(std::make_unique<link::Pump>(
        loop, std::move(end), std::make_unique<UsbipServer>(lease_of(device)), [](Protocol&) {}));
  }
  // Eight small transfers in one write, so that the session has its working buffers.
  wire::usbip::CmdSubmit command{
      .basic = {.command = std::uint32_t{1}, .devid = kDevid, .direction = std::uint32_t{1}},
      .transfer_buffer_length = 18,
      .setup = usb::SetupPacket::get_descriptor(1, 0, 18)};
  constexpr std::size_t kReply = 48 + 18;
  for (auto& peer : peers) {
    for (std::uint32_t seqnum = 1; seqnum <= 8; ++seqnum) {
      command.basic.seqnum = seqnum;
      if (::write(peer.get(), &command, sizeof(command)) != sizeof(command)) std::exit(1);
    }
  }
  std::size_t answered = 0;
  char reply[8 * kReply];
  loop.run_until([&] {
    while (answered < sessions && ::recv(peers[answered].get(), reply, sizeof(reply),
                                         MSG_DONTWAIT | MSG_PEEK) == sizeof(reply)) {
      ++answered;
    }
    return answered == sessions;
  });
  const auto after = ::mallinfo2();
  const auto held = (after.uordblks + after.hblkhd) - (before.uordblks + before.hblkhd);
  return static_cast<double>(held) / static_cast<double>(sessions);
}

}  // namespace periprox::bench

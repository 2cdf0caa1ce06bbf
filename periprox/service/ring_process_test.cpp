// Rings between real processes: the exporter runs in a child that can be killed at any instant.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "periprox/host/blocking.hpp"
#include "periprox/link/pass_descriptor.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/service/export_table.hpp"
#include "periprox/service/opener.hpp"
#include "periprox/service/ring_exporter.hpp"
#include "periprox/service/ring_opener.hpp"

namespace periprox::service {
namespace {

using std::chrono::seconds;

/// A loop with an exporter of `count` gadgets zero.
struct Exporting {
  Exporting(const std::string& address, int count)
      : opener(loop),
        table([](const Event&) {}),
        exporter(loop, table, [this](const Event& event) { last = event.text; }) {
    std::vector<OpenedDevice> devices;
    for (int i = 0; i < count; ++i) {
      std::optional<Result<OpenedDevice>> opened;
      opener.open("emulated:zero", [&](auto result) { opened = std::move(result); });
      loop.run_until([&] { return opened.has_value(); });
      devices.push_back(std::move(**opened));
    }
    if (!table.add(std::move(devices))) std::abort();
    if (!exporter.listen(parse_ring_address(address).value())) std::abort();
  }

  Loop loop;
  Opener opener;
  ExportTable table;
  RingExporter exporter;
  std::string last;
};

/// An exporter in a process of its own, gone with the test.
class ExporterProcess {
 public:
  ExporterProcess(const std::string& address, int count) {
    int ready[2];
    if (::pipe(ready) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      Exporting exporting(address, count);
      (void)!::write(ready[1], "r", 1);
      exporting.loop.run_until([] { return false; });
      ::_exit(0);
    }
    char byte = 0;
    (void)!::read(ready[0], &byte, 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~ExporterProcess() { kill(); }
  ExporterProcess(const ExporterProcess&) = delete;
  ExporterProcess& operator=(const ExporterProcess&) = delete;

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

class RingProcess : public ::testing::Test {
 protected:
  ~RingProcess() override { ::unlink(path.c_str()); }

  Result<OpenedDevice> open(const std::string& device) {
    std::optional<Result<OpenedDevice>> opened;
    opener.open("ring://" + path + "/" + device, [&](auto result) { opened = std::move(result); });
    loop.run_until([&] { return opened.has_value(); });
    return std::move(*opened);
  }

  const std::string path = "/tmp/periprox-ring-test-" + std::to_string(::getpid());
  const std::string address = "ring://" + path;
  Loop loop;
  Opener opener{loop};
};

constexpr usb::EndpointAddress kIn{0x81};
constexpr usb::EndpointAddress kOut{0x01};

TEST_F(RingProcess, CarriesTransfersOfAllSizes) {
  ExporterProcess exporter(address, 1);
  auto device = open("1-1");
  ASSERT_TRUE(device) << device.error().text();
  host::Blocking host(loop, *device->device);
  ASSERT_EQ(host.ensure_configured(seconds(10)).status, usb::Status::Ok);
  for (const std::size_t size : {1U, 512U, 4096U, 4097U, 65536U, 1U << 20}) {
    const auto in = host.in(kIn, size, seconds(10));
    EXPECT_EQ(in.status, usb::Status::Ok);
    EXPECT_EQ(in.actual_length, size);
    const auto out = host.out(kOut, std::vector<std::byte>(size), {}, seconds(10));
    EXPECT_EQ(out.status, usb::Status::Ok);
    EXPECT_EQ(out.actual_length, size);
  }
}

TEST_F(RingProcess, ListsWhatIsFree) {
  ExporterProcess exporter(address, 2);
  const auto held = open("1-1");
  ASSERT_TRUE(held);
  std::optional<Result<std::vector<session::ListedDevice>>> listed;
  RingOpener ring(loop);
  ring.list(parse_ring_address(address).value(), [&](auto result) { listed = std::move(result); });
  loop.run_until([&] { return listed.has_value(); });
  ASSERT_TRUE(*listed) << listed->error().text();
  EXPECT_EQ((*listed)->size(), 1U);
}

TEST_F(RingProcess, OpensADeviceByItsIds) {
  ExporterProcess exporter(address, 1);
  const auto device = open("0x0525.0xa4a0");
  ASSERT_TRUE(device) << device.error().text();
  EXPECT_EQ(device->device->model().descriptor().idVendor, 0x0525);
}

TEST_F(RingProcess, ServesSeveralRingsAtOnce) {
  ExporterProcess exporter(address, 3);
  std::vector<OpenedDevice> devices;
  for (const auto* busid : {"1-1", "1-2", "1-3"}) devices.push_back(open(busid).value());
  for (auto& device : devices) {
    host::Blocking host(loop, *device.device);
    ASSERT_EQ(host.ensure_configured(seconds(10)).status, usb::Status::Ok);
    EXPECT_EQ(host.in(kIn, 65536, seconds(10)).actual_length, 65536U);
  }
}

TEST_F(RingProcess, RefusesADeviceInUse) {
  ExporterProcess exporter(address, 1);
  const auto first = open("1-1");
  ASSERT_TRUE(first);
  EXPECT_EQ(open("1-1").error().kind, Error::Kind::Busy);
}

TEST_F(RingProcess, SaysWhenNobodyListens) {
  const auto device = open("1-1");
  ASSERT_FALSE(device);
  EXPECT_NE(device.error().text().find("nobody listens"), std::string::npos);
}

TEST_F(RingProcess, CompletesEverythingWhenTheExporterIsKilled) {
  std::optional<ExporterProcess> exporter(std::in_place, address, 1);
  auto device = open("1-1");
  ASSERT_TRUE(device);
  bool gone = false;
  device->device->on_gone([&gone] { gone = true; });
  host::Blocking host(loop, *device->device);
  ASSERT_EQ(host.ensure_configured(seconds(10)).status, usb::Status::Ok);
  ASSERT_EQ(host.in(kIn, 65536, seconds(10)).status, usb::Status::Ok);
  exporter->kill();
  loop.run_until([&gone] { return gone; });
  EXPECT_EQ(host.in(kIn, 65536, seconds(10)).status, usb::Status::DeviceGone);
  // A new exporter can be joined at the same place.
  exporter.reset();
  exporter.emplace(address, 1);
  EXPECT_TRUE(open("1-1"));
}

/// A child that uses the ring until it is killed.
pid_t start_importer(const std::string& locator, int ready) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Loop loop;
  Opener opener(loop);
  std::optional<Result<OpenedDevice>> opened;
  opener.open(locator, [&](auto result) { opened = std::move(result); });
  loop.run_until([&] { return opened.has_value(); });
  if (!*opened) ::_exit(1);
  host::Blocking host(loop, *(*opened)->device);
  host.ensure_configured(seconds(10));
  (void)!::write(ready, "r", 1);
  while (host.in(kIn, 1 << 20, seconds(10)).status == usb::Status::Ok) {
  }
  ::_exit(0);
}

TEST_F(RingProcess, GivesTheDeviceToTheNextWhenAnImporterIsKilled) {
  Exporting exporting(address, 1);
  for (int round = 0; round < 3; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t importer = start_importer(address + "/1-1", ready[1]);
    char byte = 0;
    bool is_using = false;
    // Killed in the middle of its traffic.
    std::thread killer([&] {
      is_using = ::read(ready[0], &byte, 1) == 1;
      ::kill(importer, SIGKILL);
      ::waitpid(importer, nullptr, 0);
    });
    bool joined = false;
    exporting.loop.run_until([&] {
      joined = joined || exporting.exporter.sessions() > 0;
      return joined && exporting.exporter.sessions() == 0;
    });
    killer.join();
    EXPECT_TRUE(is_using);
    EXPECT_TRUE(exporting.table.entries().at(0).holder.empty());
    ::close(ready[0]);
    ::close(ready[1]);
  }
}

/// A hostile importer: joins, then writes anything anywhere, ringing all the time.
[[noreturn]] void scribble(const std::string& path, std::uint32_t seed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Loop loop;
  std::optional<link::PassedDescriptor> passed;
  link::connect(loop, {.kind = link::Address::Kind::Unix, .path = path}, seconds(10),
                [&](Result<UniqueFd> socket) {
                  if (!socket) ::_exit(1);
                  link::receive_descriptor(loop, std::move(*socket), sizeof(wire::ring::Hello),
                                           seconds(10), [&](auto result) {
                                             if (!result) ::_exit(1);
                                             passed = std::move(*result);
                                           });
                });
  loop.run_until([&] { return passed.has_value(); });
  const auto hello = *read_as<wire::ring::Hello>(passed->message);
  auto memory = link::map_sealed(std::move(passed->fd), hello.memory_size).value();
  auto& control = *static_cast<wire::ring::ControlBlock*>(static_cast<void*>(memory.bytes.data()));
  control.importer.epoch = seed;
  control.importer.state = 1;
  std::mt19937 random(seed);
  const auto* end = memory.bytes.data() + (1 << 20);
  wire::ring::Entry entry{.kind = std::uint16_t{4}, .length = std::uint32_t{4096}};
  entry.busid = wire::usbip::make_name<wire::usbip::kBusIdSize>("1-1");
  auto* const entries = static_cast<wire::ring::Shared<wire::ring::Entry>*>(
      static_cast<void*>(memory.bytes.data() + control.header.load().submissions_offset));
  entries[0].store(entry);
  control.submissions_in.tail = 1;
  for (int i = 0; i < 20'000; ++i) {
    auto* const place = reinterpret_cast<std::uint64_t*>(
        memory.bytes.data() +
        random() % static_cast<std::uint32_t>(end - memory.bytes.data()) / 8 * 8);
    std::atomic_ref(*place).store(random(), std::memory_order_relaxed);
    // Nearly sound entries, and sometimes a tail that is not.
    entry.kind = static_cast<std::uint16_t>(random() % 6);
    entry.tag = random() % 1100;
    entry.endpoint = static_cast<std::uint8_t>(random() % 2 == 0 ? 0x81 : 0x01);
    entry.length = random() % 100'000;
    entry.payload = random() % (1U << 25);
    entries[random() % 1024].store(entry);
    control.importer.epoch = seed;
    control.importer.state = 2;
    control.submissions_in.tail.fetch_add(random() % 200 == 0 ? random() : 1);
    if (::send(passed->socket.get(), "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE)
      break;
  }
  ::_exit(0);
}

TEST_F(RingProcess, SurvivesPeersThatScribbleWhileOthersWork) {
  Exporting exporting(address, 2);
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t honest = start_importer(address + "/1-2", ready[1]);
  for (std::uint32_t seed = 1; seed <= 8; ++seed) {
    const pid_t hostile = ::fork();
    if (hostile == 0) scribble(path, seed);
    bool ended = false;
    std::thread waiter([&] {
      ::waitpid(hostile, nullptr, 0);
      exporting.loop.post([&ended] { ended = true; });
    });
    exporting.loop.run_until(
        [&] { return ended && exporting.table.entries().at(0).holder.empty(); });
    waiter.join();
  }
  // The honest one still has its device, and is still being served.
  EXPECT_EQ(::waitpid(honest, nullptr, WNOHANG), 0);
  EXPECT_FALSE(exporting.table.entries().at(1).holder.empty());
  ::kill(honest, SIGKILL);
  ::waitpid(honest, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(RingProcess, AFileCanBeOfferedAndJoinedAgainAndAgain) {
  const std::string file = path + ".file";
  Exporting exporting("ring+file://" + file + "?arena_mib=4", 1);
  for (int round = 0; round < 2; ++round) {
    std::optional<Result<OpenedDevice>> opened;
    exporting.opener.open("ring+file://" + file + "/1-1",
                          [&](auto result) { opened = std::move(result); });
    exporting.loop.run_until([&] { return opened.has_value(); });
    ASSERT_TRUE(*opened) << opened->error().text();
    host::Blocking host(exporting.loop, *(*opened)->device);
    ASSERT_EQ(host.ensure_configured(seconds(10)).status, usb::Status::Ok);
    EXPECT_EQ(host.in(kIn, 100'000, seconds(10)).actual_length, 100'000U);
    opened.reset();
    exporting.loop.run_until([&] { return exporting.table.entries().at(0).holder.empty(); });
  }
  ::unlink(file.c_str());
}

}  // namespace
}  // namespace periprox::service

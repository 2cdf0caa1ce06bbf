// A server on real sockets, spoken to in raw bytes as a stock client does it.
#include "periprox/service/server.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "periprox/base/unique_fd.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/service/export_table.hpp"
#include "periprox/service/opener.hpp"
#include "periprox/service/remote_opener.hpp"

namespace periprox::service {
namespace {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file
using testing::Contains;
using testing::HasSubstr;

constexpr std::uint32_t kFirstDevid = 0x10002;

/// The server's thread, and what it logged.
class Rig {
 public:
  explicit Rig(std::vector<std::string> locators, ServerOptions options = {}) {
    const auto ready = std::make_shared<std::promise<void>>();
    thread_ = std::thread([this, ready, locators = std::move(locators), options] {
      Loop loop;
      Opener opener(loop);
      ExportTable exports([this](const Event& event) { note(event.text); });
      Server server(
          loop, exports, [this](const Event& event) { note(event.text); }, options);
      std::vector<OpenedDevice> devices;
      for (const auto& locator : locators) {
        opener.open(locator, [&](auto device) { devices.push_back(device.value()); });
      }
      loop.run_until([&] { return devices.size() == locators.size(); });
      EXPECT_TRUE(exports.add(std::move(devices)));
      address = server.listen({.host = "127.0.0.1"}).value();
      loop_ = &loop;
      server_ = &server;
      ready->set_value();
      loop.run_until([&] { return stopped_; });
    });
    ready->get_future().wait();
  }
  ~Rig() { stop(); }

  /// Calls `ask` on the server's thread and returns what it returns.
  template <typename Ask>
  auto on_loop(Ask ask) {
    using Task = std::packaged_task<decltype(ask(*server_))()>;
    const auto task = std::make_shared<Task>([this, ask] { return ask(*server_); });
    loop_->post([task] { (*task)(); });
    return task->get_future().get();
  }
  /// Closes the server and waits until all sessions have ended.
  void stop() {
    if (!thread_.joinable()) return;
    loop_->post([this] { server_->close([this] { stopped_ = true; }); });
    thread_.join();
  }
  /// Waits until a line that contains `text` was logged.
  void wait_for_log(std::string_view text) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return std::any_of(log_.begin(), log_.end(), [&](const std::string& line) {
        return line.find(text) != std::string::npos;
      });
    });
  }
  std::vector<std::string> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  link::Address address;

 private:
  void note(const std::string& text) {
    const std::lock_guard lock(mutex_);
    log_.push_back(text);
    changed_.notify_all();
  }

  Loop* loop_ = nullptr;
  Server* server_ = nullptr;
  bool stopped_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> log_;
  std::thread thread_;
};

/// A blocking client that knows bytes only.
class Client {
 public:
  explicit Client(const Rig& rig) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(rig.address.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{.tv_sec = 30,
                           .tv_usec = 0};  // A hang fails instead of lasting for ever.
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }

  void send(Bytes bytes) const {
    EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  template <typename T>
  void send_struct(const T& value) const {
    send(bytes_of(value));
  }
  template <typename T>
  T receive() const {
    T value{};
    const auto count = ::recv(fd_.get(), &value, sizeof(T), MSG_WAITALL);
    EXPECT_EQ(count, static_cast<ssize_t>(sizeof(T)));
    return value;
  }
  /// True when the server has closed, in whatever way.
  [[nodiscard]] bool is_closed() const {
    char byte = 0;
    const auto count = ::recv(fd_.get(), &byte, 1, 0);
    return count == 0 || (count < 0 && errno == ECONNRESET);
  }
  /// Vanishes with a reset instead of an orderly end.
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_.reset();
  }

  /// The status word of the reply; after 0 the device is imported.
  std::uint32_t import_device(std::string_view busid) const {
    send_struct(ImportRequest{.busid = make_name<kBusIdSize>(busid)});
    const auto reply = receive<OpHeader>();
    if (reply.status == 0) record = receive<DeviceRecord>();
    return reply.status;
  }
  void submit_in(std::uint32_t seqnum, std::uint32_t endpoint, std::int32_t length,
                 usb::SetupPacket setup = {}) const {
    send_struct(CmdSubmit{
        .basic =
            {.command = 1, .seqnum = seqnum, .devid = kFirstDevid, .direction = 1, .ep = endpoint},
        .transfer_buffer_length = length,
        .setup = setup});
  }
  /// Reads the device descriptor through an imported device.
  usb::DeviceDescriptor device_descriptor(std::uint32_t seqnum) const {
    submit_in(seqnum, 0, 18, usb::SetupPacket::get_descriptor(1, 0, 18));
    const auto reply = receive<RetSubmit>();
    EXPECT_EQ(reply.basic.seqnum, seqnum);
    EXPECT_EQ(reply.status, 0);
    EXPECT_EQ(reply.actual_length, 18);
    return receive<usb::DeviceDescriptor>();
  }
  std::uint32_t listed_devices() const {
    send_struct(OpHeader{.code = static_cast<std::uint16_t>(OpCode::DevlistRequest)});
    return receive<DevlistReplyHead>().device_count;
  }

  mutable DeviceRecord record;

 private:
  UniqueFd fd_;
};

TEST(Server, AnswersTheDeviceListAndCloses) {
  Rig rig({"emulated:go_temp"});
  const Client client(rig);
  ASSERT_EQ(client.listed_devices(), 1U);
  const auto record = client.receive<DeviceRecord>();
  EXPECT_EQ(name_in(record.busid), "1-1");
  EXPECT_EQ(record.idVendor, 0x08f7);
  EXPECT_EQ(record.bNumInterfaces, 1);
  EXPECT_EQ(client.receive<InterfaceRecord>().bInterfaceClass, 3);
  EXPECT_TRUE(client.is_closed());
}

TEST(Server, ServesAnImportedDevice) {
  Rig rig({"emulated:go_temp"});
  const Client client(rig);
  ASSERT_EQ(client.import_device("1-1"), 0U);
  EXPECT_EQ(name_in(client.record.busid), "1-1");
  EXPECT_EQ(client.device_descriptor(1).idProduct, 2);
}

TEST(Server, TellsASecondClientThatTheDeviceIsBusy) {
  Rig rig({"emulated:go_temp"});
  const Client first(rig);
  ASSERT_EQ(first.import_device("1-1"), 0U);
  const Client second(rig);
  EXPECT_EQ(second.import_device("1-1"), 2U);
  EXPECT_TRUE(second.is_closed());
  EXPECT_EQ(Client(rig).listed_devices(), 0U);
  EXPECT_THAT(rig.log(), Contains(HasSubstr("which is in use by 127.0.0.1:")));
  EXPECT_EQ(first.device_descriptor(1).idProduct, 2);
}

TEST(Server, TellsThatADeviceDoesNotExist) {
  Rig rig({"emulated:go_temp"});
  const Client client(rig);
  EXPECT_EQ(client.import_device("7-7"), 4U);
  EXPECT_TRUE(client.is_closed());
}

TEST(Server, GarbageEndsItsOwnSessionOnly) {
  Rig rig({"emulated:go_temp"});
  const Client healthy(rig);
  ASSERT_EQ(healthy.import_device("1-1"), 0U);
  const Client garbage(rig);
  garbage.send(bytes_of_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(garbage.is_closed());
  rig.wait_for_log("malformed message at offset 0");
  EXPECT_EQ(healthy.device_descriptor(1).idProduct, 2);
}

TEST(Server, GarbageAfterAnImportFreesTheDevice) {
  Rig rig({"emulated:go_temp"});
  const Client garbage(rig);
  ASSERT_EQ(garbage.import_device("1-1"), 0U);
  garbage.send(std::vector<std::byte>(48, std::byte{0xff}));
  EXPECT_TRUE(garbage.is_closed());
  rig.wait_for_log("no longer uses 1-1: malformed message at offset 40");
  rig.wait_for_log("1-1 is free again");
  EXPECT_EQ(Client(rig).import_device("1-1"), 0U);
}

TEST(Server, AClientThatVanishesAmidAnUrbFreesTheDevice) {
  Rig rig({"emulated:go_temp?period_ms=60000"});
  Client client(rig);
  ASSERT_EQ(client.import_device("1-1"), 0U);
  client.submit_in(1, 1, 8);
  client.submit_in(2, 1, 8);
  client.reset();
  rig.wait_for_log("1-1 is free again");
  EXPECT_EQ(Client(rig).import_device("1-1"), 0U);
}

TEST(Server, AFloodOfIdleConnectionsNeitherGrowsNorKeepsAnybodyOut) {
  Rig rig({"emulated:go_temp", "emulated:zero"}, {.waiting = 16, .waiting_per_peer = 8});
  const Client using_one(rig);
  ASSERT_EQ(using_one.import_device("1-1"), 0U);
  std::deque<Client> idle;
  for (int i = 0; i < 100; ++i) idle.emplace_back(rig);
  const Client healthy(rig);
  EXPECT_EQ(healthy.import_device("1-2"), 0U);
  EXPECT_EQ(using_one.device_descriptor(1).idProduct, 2);
  EXPECT_LE(rig.on_loop([](Server& server) { return server.connections(); }), 8U + 2U);
  EXPECT_EQ(rig.on_loop([](Server& server) { return server.using_devices(); }), 2U);
  EXPECT_TRUE(idle.front().is_closed());
  rig.wait_for_log("too many connections that ask for nothing");
}

TEST(Server, LogsABoundedNumberOfLinesDuringAFlood) {
  Rig rig({"emulated:go_temp"}, {.waiting = 4, .waiting_per_peer = 4});
  std::deque<Client> idle;
  for (int i = 0; i < 400; ++i) idle.emplace_back(rig);
  EXPECT_TRUE(idle[390].is_closed());
  std::size_t warnings = 0;
  for (const auto& line : rig.log())
    warnings += line.find("too many") != std::string::npos ? 1U : 0U;
  EXPECT_GE(warnings, 1U);
  // 50 a second; this loop does not last for seven.
  EXPECT_LT(warnings, 390U);
}

TEST(Server, CloseEndsEverySessionInOrder) {
  Rig rig({"emulated:go_temp?period_ms=60000"});
  const Client with_pending_urb(rig);
  ASSERT_EQ(with_pending_urb.import_device("1-1"), 0U);
  with_pending_urb.submit_in(1, 1, 8);  // There is a sample at once, and the next in a minute.
  with_pending_urb.submit_in(2, 1, 8);
  with_pending_urb.receive<std::array<std::byte, sizeof(RetSubmit) + 8>>();
  with_pending_urb.device_descriptor(3);  // So the second has arrived.
  const Client idle(rig);
  rig.on_loop([](Server& server) { return server.connections(); });
  rig.stop();
  EXPECT_TRUE(idle.is_closed());
  EXPECT_THAT(rig.log(), Contains(HasSubstr("no longer uses 1-1: the server stops")));
}

TEST(Server, SaysWhoHasAPortThatIsTaken) {
  Rig rig({"emulated:go_temp"});
  const auto listened = rig.on_loop([&](Server& server) { return server.listen(rig.address); });
  ASSERT_FALSE(listened);
  EXPECT_EQ(listened.error().kind, Error::Kind::Busy);
  EXPECT_THAT(listened.error().hint, HasSubstr("--listen"));
}

// ---- The other side: opening what a server exports ---------------------------------------------

Result<OpenedDevice> open_and_wait(Loop& loop, Opener& opener, const std::string& locator) {
  std::optional<Result<OpenedDevice>> opened;
  opener.open(locator, [&](auto result) { opened = std::move(result); });
  loop.run_until([&] { return opened.has_value(); });
  return std::move(*opened);
}

class OpenerTest : public testing::Test {
 protected:
  Result<OpenedDevice> open(const std::string& device) {
    return open_and_wait(loop, opener,
                         "usbip://127.0.0.1:" + std::to_string(rig.address.port) + "/" + device);
  }

  Rig rig{{"emulated:go_temp", "emulated:zero?serial=A", "emulated:zero?serial=B"}};
  Loop loop;
  Opener opener{loop};
};

TEST_F(OpenerTest, OpensByBusId) {
  const auto opened = open("1-1");
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_EQ(opened->device->model().product, "Go! Temp ver 1.53");
}

TEST_F(OpenerTest, OpensByIds) {
  const auto opened = open("0x08f7.0x0002");
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_EQ(opened->device->model().descriptor().idProduct, 2);
}

TEST_F(OpenerTest, TellsTwinsApartByTheirSerialNumber) {
  const auto opened = open("0x0525.0xa4a0@B");
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_EQ(opened->device->model().serial_number, "B");
}

TEST_F(OpenerTest, AsksWhichOneWhenIdsMatchTwice) {
  const auto opened = open("0x0525.0xa4a0");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, Error::Kind::Usage);
  EXPECT_THAT(opened.error().why, HasSubstr("1-2, 1-3"));
}

TEST_F(OpenerTest, SaysWhatIsMissing) {
  EXPECT_EQ(open("7-7").error().kind, Error::Kind::NotFound);
  EXPECT_EQ(open("0x1111.0x2222").error().kind, Error::Kind::NotFound);
  EXPECT_EQ(open("0x0525.0xa4a0@C").error().kind, Error::Kind::NotFound);
}

TEST_F(OpenerTest, SaysThatADeviceIsInUse) {
  const auto first = open("1-1");
  ASSERT_TRUE(first);
  EXPECT_EQ(open("1-1").error().kind, Error::Kind::Busy);
}

TEST_F(OpenerTest, GivesTheDeviceBackWhenItIsDropped) {
  open("1-1").value();
  rig.wait_for_log("1-1 is free again");
  EXPECT_TRUE(open("1-1"));
}

TEST_F(OpenerTest, SaysThatNobodyListens) {
  rig.stop();
  const auto opened = open("1-1");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().hint, HasSubstr("is the server running?"));
}

TEST_F(OpenerTest, NothingIsReportedAfterTheOpenerIsGone) {
  bool reported = false;
  {
    Opener other(loop);
    other.open("usbip://127.0.0.1:" + std::to_string(rig.address.port) + "/1-1",
               [&](auto) { reported = true; });
  }
  ASSERT_TRUE(open("1-2"));
  EXPECT_FALSE(reported);
}

TEST(Opener, NeverCallsBackFromWithinTheCall) {
  Loop loop;
  Opener opener(loop);
  int calls = 0;
  opener.open("emulated:zero", [&](auto) { ++calls; });
  opener.open("nonsense", [&](auto) { ++calls; });
  opener.open("emulated:nonsense", [&](auto) { ++calls; });
  opener.open("987-65", [&](auto) { ++calls; });
  EXPECT_EQ(calls, 0);
  loop.run_until([&] { return calls == 4; });
  EXPECT_EQ(calls, 4);
}

TEST(Bridge, ADeviceOfAServerCanBeExportedAgain) {
  Rig behind({"emulated:go_temp"});
  Rig front({"usbip://127.0.0.1:" + std::to_string(behind.address.port) + "/1-1"});
  const Client client(front);
  ASSERT_EQ(client.import_device("1-1"), 0U);
  EXPECT_EQ(client.device_descriptor(1).idProduct, 2);
}

TEST(Bridge, ADeviceWhoseServerStopsLeavesTheList) {
  auto behind = std::make_unique<Rig>(std::vector<std::string>{"emulated:go_temp"});
  Rig front({"usbip://127.0.0.1:" + std::to_string(behind->address.port) + "/1-1"});
  const Client client(front);
  ASSERT_EQ(client.import_device("1-1"), 0U);
  behind.reset();
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(Client(front).listed_devices(), 0U);
  EXPECT_EQ(Client(front).import_device("1-1"), 4U);
}

}  // namespace
}  // namespace periprox::service

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "periprox/check/scripted_server_testing.hpp"
#include "periprox/check/suite.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/usb/configuration.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

constexpr std::int32_t kStall = -32;
constexpr std::int32_t kConnReset = -104;

DeviceRecord the_record() {
  return {.path = make_name<256>("/scripted/1-1"),
          .busid = make_name<kBusIdSize>(ScriptedServer::kBusId),
          .busnum = 1U,
          .devnum = 2U,
          .speed = 3U,
          .idVendor = std::uint16_t{0x1209},
          .idProduct = std::uint16_t{1},
          .bConfigurationValue = 1,
          .bNumConfigurations = 1,
          .bNumInterfaces = 1};
}

std::vector<std::byte> the_configuration() {
  const auto bulk = [](std::uint8_t address) {
    return usb::Endpoint{.descriptor = {.bEndpointAddress = address,
                                        .bmAttributes = 2,
                                        .wMaxPacketSize = std::uint16_t{512}}};
  };
  usb::AlternateSetting setting;
  setting.descriptor.bInterfaceClass = 0xff;
  setting.endpoints = {bulk(0x81), bulk(0x01)};
  usb::Configuration configuration;
  configuration.descriptor.bConfigurationValue = 1;
  configuration.interfaces = {{.number = 0, .alternate_settings = {setting}}};
  return usb::build_configuration(configuration);
}

std::vector<std::byte> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

/// One connection, from its first byte to its last.
class ScriptedServer::Session {
 public:
  Session(ScriptedServer& server, UniqueFd socket)
      : server_(server),
        habits_(server.habits_),
        connection_(std::move(socket), {std::chrono::seconds(60), TimePoint::max()}) {}

  void run() {
    try {
      op();
    } catch (const Settled&) {  // The peer left.
    }
    if (has_device_ && !habits_.never_frees) server_.in_use_ = false;
  }

 private:
  struct Pending {
    CmdSubmit header;
  };

  void op() {
    const auto head = connection_.receive_struct<OpHeader>("request");
    if (habits_.says_nothing) {
      (void)connection_.next();
      return;
    }
    if (head.version != kVersion && !habits_.takes_any_version) return;
    if (head.code == static_cast<std::uint16_t>(OpCode::DevlistRequest)) return list();
    if (head.code == static_cast<std::uint16_t>(OpCode::ImportRequest)) return import();
  }

  void list() {
    auto record = the_record();
    if (habits_.wrong_interface_count) record.bNumInterfaces = 2;
    const std::uint32_t count = server_.in_use_ ? 0 : 1;
    connection_.send_struct(DevlistReplyHead{.device_count = count});
    if (count == 1) {
      connection_.send_struct(record);
      for (int i = 0; i < record.bNumInterfaces; ++i) {
        connection_.send_struct(InterfaceRecord{.bInterfaceClass = 0xff});
      }
    }
    if (habits_.keeps_list_open) (void)connection_.next();
  }

  void import() {
    const auto field = connection_.receive_struct<NameField<kBusIdSize>>("bus id");
    const bool known = habits_.compares_32_bytes ? field == make_name<kBusIdSize>(kBusId)
                                                 : name_in(field) == std::string_view(kBusId);
    if (!known) {
      if (!habits_.closes_on_unknown_busid) refuse(OpStatus::NoSuchDevice);
      return;
    }
    if (server_.in_use_.exchange(true) && !habits_.lets_two_import) {
      return refuse(OpStatus::DeviceBusy);
    }
    has_device_ = true;
    auto record = the_record();
    if (habits_.wrong_interface_count) record.bNumInterfaces = 2;
    connection_.send_struct(ImportReply{.device = record});
    while (true) command();
  }

  void refuse(OpStatus status) {
    ImportReply reply;
    reply.header.status = static_cast<std::uint32_t>(status);
    if (habits_.refuses_with_record) return connection_.send_struct(reply);
    connection_.send_struct(reply.header);
  }

  void command() {
    const auto header = connection_.receive_struct<CmdSubmit>("command");
    const auto& basic = header.basic;
    if (basic.devid != 0x00010002U && !habits_.any_devid) failed("devid");
    if (basic.command == static_cast<std::uint32_t>(Command::CmdUnlink)) {
      return unlink(std::bit_cast<CmdUnlink>(header));
    }
    if (basic.command != static_cast<std::uint32_t>(Command::CmdSubmit)) failed("command");
    if (basic.direction > 1 || basic.ep > 15) failed("endpoint");
    const std::int32_t length = header.transfer_buffer_length;
    if (length < 0 || length > (64 << 20)) failed("length");
    std::vector<std::byte> data;
    if (basic.direction == 0) data = connection_.receive(static_cast<std::size_t>(length), "data");
    if (habits_.packets_as_size) {
      const auto packets = std::clamp<std::int32_t>(header.number_of_packets, 0, 1024);
      (void)connection_.receive(static_cast<std::size_t>(packets) * 16, "descriptors");
    }
    submit(header, std::move(data));
  }

  void submit(const CmdSubmit& header, std::vector<std::byte> data) {
    const auto ep = std::uint32_t{header.basic.ep};
    if (ep > 1) {
      if (!habits_.ignores_missing_endpoint) answer(header, -2, {});
    } else if (ep == 0) {
      control(header);
    } else if (header.basic.direction == 1) {
      waiting_.push_back({header});
    } else {
      const bool full = !data.empty() && data.size() % 512 == 0;
      const bool ended = (header.transfer_flags & kFlagZeroPacket) != 0;
      held_.insert(held_.end(), data.begin(), data.end());
      if (!full || (ended && !habits_.ignores_zero_packet)) {
        kept_.push_back(std::move(held_));
        held_.clear();
      }
      answer(header, 0, data);
    }
    while (!waiting_.empty() && !kept_.empty()) {
      const auto reader = waiting_.front();
      waiting_.pop_front();
      const bool is_short =
          kept_.front().size() < static_cast<std::size_t>(reader.header.transfer_buffer_length);
      const bool wrong = is_short && (reader.header.transfer_flags & kFlagShortNotOk) != 0;
      answer(reader.header, wrong ? -121 : 0, std::exchange(kept_.front(), {}));
      kept_.pop_front();
    }
  }

  void control(const CmdSubmit& header) {
    const auto& setup = header.setup;
    const std::int32_t length = header.transfer_buffer_length;
    if (setup.wLength != length || (length > 0 && setup.is_in() != (header.basic.direction == 1))) {
      if (habits_.ends_on_bad_length) failed("wLength");
      return answer(header, -53, {});
    }
    std::vector<std::byte> data;
    if (setup.is_standard(usb::StandardRequest::GetDescriptor) && setup.wValue == 0x0100) {
      data = copy_of(bytes_of(usb::DeviceDescriptor{.idVendor = std::uint16_t{0x1209},
                                                    .idProduct = std::uint16_t{1},
                                                    .bNumConfigurations = 1}));
    } else if (setup.is_standard(usb::StandardRequest::GetDescriptor) && setup.wValue == 0x0200) {
      data = the_configuration();
    } else if (setup.is_standard(usb::StandardRequest::GetConfiguration)) {
      data = {std::byte{1}};
    } else if (setup.is_standard(usb::StandardRequest::GetInterface)) {
      data = {std::byte{0}};
    } else if (setup.bmRequestType == 0x80 && setup.bRequest == 0) {
      data = {std::byte{0}, std::byte{0}};
    } else if (!setup.is_set_configuration() || setup.wValue != 1) {
      stalled_ = habits_.stall_sticks;
      return answer(header, kStall, {});
    }
    if (stalled_) return answer(header, kStall, {});
    data.resize(std::min<std::size_t>(data.size(), setup.wLength));
    answer(header, 0, data);
  }

  /// `data` is what moved; it is sent for IN only.
  void answer(const CmdSubmit& header, std::int32_t status, Bytes data) {
    RetSubmit reply{.basic = {.command = static_cast<std::uint32_t>(Command::RetSubmit),
                              .seqnum = header.basic.seqnum},
                    .status = status,
                    .actual_length = static_cast<std::int32_t>(data.size()),
                    .number_of_packets = header.number_of_packets};
    if (habits_.forgets_packets) reply.number_of_packets = 0;
    if (habits_.repeats_addresses) {
      reply.basic.devid = header.basic.devid;
      reply.basic.ep = header.basic.ep;
      reply.basic.direction = header.basic.direction;
    }
    auto sent = copy_of(data);
    if (habits_.too_much_data && !sent.empty()) {
      sent.resize(std::size_t{header.setup.wLength} + 8U);
      reply.actual_length = static_cast<std::int32_t>(sent.size());
    }
    connection_.send_struct(reply);
    if (header.basic.direction == 1 || habits_.payload_after_out) connection_.send(sent);
  }

  void unlink(const CmdUnlink& header) {
    const auto target = std::ranges::find_if(waiting_, [&](const Pending& each) {
      return each.header.basic.seqnum == header.unlink_seqnum;
    });
    RetUnlink reply{.basic = {.command = static_cast<std::uint32_t>(Command::RetUnlink),
                              .seqnum = header.basic.seqnum}};
    if (target == waiting_.end()) {
      if (!habits_.ignores_unknown_unlink) connection_.send_struct(reply);
      return;
    }
    reply.status = habits_.unlink_says_0 ? 0 : kConnReset;
    const auto cancelled = *target;
    waiting_.erase(target);
    connection_.send_struct(reply);
    if (habits_.answers_cancelled) answer(cancelled.header, kConnReset, {});
    if (habits_.cancels_all) {
      for (const auto& each : std::exchange(waiting_, {})) answer(each.header, kConnReset, {});
    }
  }

  ScriptedServer& server_;
  const Habits& habits_;
  Connection connection_;
  bool has_device_ = false;
  bool stalled_ = false;
  std::deque<Pending> waiting_;
  std::vector<std::byte> held_;
  std::deque<std::vector<std::byte>> kept_;
};

ScriptedServer::ScriptedServer(Habits habits)
    : habits_(habits), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&place), sizeof(place));
  ::listen(listener_.get(), 64);
  socklen_t size = sizeof(place);
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&place), &size);
  port_ = ntohs(place.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& session : sessions_) session.join();
}

link::Address ScriptedServer::address() const { return {.host = "127.0.0.1", .port = port_}; }

void ScriptedServer::accept_all() {
  while (true) {
    UniqueFd socket(::accept(listener_.get(), nullptr, nullptr));
    if (!socket) return;
    link::tune_socket(socket.get());
    const std::lock_guard lock(mutex_);
    open_.push_back(socket.get());
    sessions_.emplace_back([this, socket = std::move(socket)]() mutable {
      const int fd = socket.get();
      {
        Session session(*this, std::move(socket));
        session.run();
        const std::lock_guard gone(mutex_);
        std::erase(open_, fd);
      }
    });
  }
}

namespace {

Outcome outcome(const Habits& habits, std::string_view name) {
  ScriptedServer server(habits);
  Probe probe({server.address(), ScriptedServer::kBusId, std::chrono::milliseconds(500)});
  const auto& cases = server_cases();
  const auto found = std::ranges::find(cases, name, &Case::name);
  if (found == cases.end()) return {Verdict::NotApplicable, "there is no such case"};
  return run_case(*found, probe, std::chrono::seconds(20));
}

// Every test first sees the case pass with an honest server, then fail with the habit alone.
void expect_caught(const Habits& habits, std::string_view name, std::string_view reason) {
  const auto honest = outcome({}, name);
  EXPECT_EQ(honest.verdict, Verdict::Pass) << name << ": " << honest.reason;
  const auto bad = outcome(habits, name);
  EXPECT_EQ(bad.verdict, Verdict::Fail) << name;
  EXPECT_NE(bad.reason.find(reason), std::string::npos) << name << ": " << bad.reason;
}

TEST(ServerCases, HaveNamesOfTheirOwnAndReferences) {
  std::vector<std::string> names;
  for (const auto& each : server_cases()) {
    names.push_back(each.name);
    EXPECT_FALSE(each.what.empty()) << each.name;
    EXPECT_FALSE(each.reference.empty()) << each.name;
  }
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

TEST(ServerCases, DoNotFailWithAnHonestServer) {
  ScriptedServer server;
  std::string failures;
  const auto counts =
      run_suite(server_cases(), {server.address(), ScriptedServer::kBusId}, {.changes = true},
                {.begins = [](const Case&) {},
                 .ended =
                     [&](const Case& each, const Outcome& outcome) {
                       const bool special = each.name.starts_with("request.");
                       if (outcome.verdict == Verdict::Fail && !special) {
                         failures += each.name + ": " + outcome.reason + "\n";
                       }
                     }});
  EXPECT_EQ(failures, "");
  EXPECT_GT(counts.passed, 90U);
}

TEST(ServerCases, WithoutYesRunOnlyThoseThatRead) {
  ScriptedServer server;
  run_suite(server_cases(), {server.address(), ScriptedServer::kBusId}, {},
            {.begins = [](const Case&) {},
             .ended =
                 [&](const Case& each, const Outcome& outcome) {
                   if (each.touch == Touch::Reads) return;
                   EXPECT_EQ(outcome.verdict, Verdict::NotApplicable) << each.name;
                   EXPECT_NE(outcome.reason.find("--yes"), std::string::npos);
                 }});
}

TEST(OpCases, CatchServerThatSaysNothing) {
  expect_caught({.says_nothing = true}, "op.list", "no DEVLIST reply within");
  expect_caught({.says_nothing = true}, "op.unknown", "neither an answer nor the end");
}
TEST(OpCases, CatchListWithoutEnd) {
  expect_caught({.keeps_list_open = true}, "op.list", "stays open");
}
TEST(OpCases, CatchServerThatTakesAnyVersion) {
  expect_caught({.takes_any_version = true}, "op.wrong_version", "status 0");
}
TEST(ImportCases, CatchBareCloseForUnknownBusId) {
  expect_caught({.closes_on_unknown_busid = true}, "import.unknown_busid",
                "the connection ended instead of IMPORT reply");
}
TEST(ImportCases, CatchRefusalWithRecord) {
  expect_caught({.refuses_with_record = true}, "import.unknown_busid", "more than 8 bytes");
}
TEST(ImportCases, CatchBusIdsComparedBeyondTheNul) {
  expect_caught({.compares_32_bytes = true}, "import.garbage_behind_nul", "cannot be imported");
}
TEST(ImportCases, CatchTwoImporters) {
  expect_caught({.lets_two_import = true}, "import.second", "it is imported");
}
TEST(ImportCases, CatchWrongInterfaceCount) {
  expect_caught({.wrong_interface_count = true}, "import.interface_count", "bNumInterfaces is 2");
}
TEST(EndCases, CatchDeviceThatStaysInUse) {
  expect_caught({.never_frees = true}, "end.idle_fin", "in use by another client");
}
TEST(HeaderCases, CatchPacketCountThatIsNotMirrored) {
  expect_caught({.forgets_packets = true}, "header.packets_mirrored", "comes back as 0");
}
TEST(HeaderCases, CatchPacketCountTakenForSize) {
  expect_caught({.packets_as_size = true}, "header.packets_garbage", "no reply within");
}
TEST(HeaderCases, CatchAddressesInReplies) {
  expect_caught({.repeats_addresses = true}, "header.addresses_zero", "RET_SUBMIT has a devid");
}
TEST(HeaderCases, CatchSilenceAboutMissingEndpoint) {
  expect_caught({.ignores_missing_endpoint = true}, "header.missing_in", "no reply within");
}
TEST(HeaderCases, CatchServerThatTakesAnyDevid) {
  expect_caught({.any_devid = true}, "header.wrong_devid", "status 0");
}
TEST(ControlCases, CatchConnectionThatEndsForWrongLength) {
  expect_caught({.ends_on_bad_length = true}, "control.wrong_length", "the connection ended");
}
TEST(ControlCases, CatchMoreDataThanAskedFor) {
  expect_caught({.too_much_data = true}, "control.cut", "actual_length 16");
}
TEST(ControlCases, CatchStallThatStays) {
  expect_caught({.stall_sticks = true}, "control.stall", "after a stall");
}
TEST(BulkCases, CatchPayloadAfterOut) {
  expect_caught({.payload_after_out = true}, "bulk.out_no_payload", "out of step");
}
TEST(BulkCases, CatchMissingZeroPacket) {
  expect_caught({.ignores_zero_packet = true}, "bulk.zero_packet", "no zero-length packet");
}
TEST(UnlinkCases, CatchUnlinkThatIsNotAnswered) {
  expect_caught({.ignores_unknown_unlink = true}, "unlink.unknown", "no reply within");
}
TEST(UnlinkCases, CatchReplyToCancelledUrb) {
  expect_caught({.answers_cancelled = true}, "unlink.pending", "came after its RET_UNLINK(-104)");
}
TEST(UnlinkCases, CatchCancelOfOthers) {
  expect_caught({.cancels_all = true}, "unlink.others_stay", "nobody cancelled");
}
TEST(UnlinkCases, CatchWrongStatus) {
  expect_caught({.unlink_says_0 = true}, "unlink.pending", "ends with status 0, not -104");
}

}  // namespace
}  // namespace periprox::check

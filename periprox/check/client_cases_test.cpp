// The cases about clients, against a small honest client with bad habits that can be switched on
// one by one: each case must catch the habit that it is about, and pass the honest client.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <map>
#include <thread>

#include "periprox/check/client_cases.hpp"
#include "periprox/check/imported.hpp"

namespace periprox::check {

using namespace wire::usbip;  // NOLINT(google-build-using-namespace): the language of this file

namespace {

constexpr Duration kPatience = std::chrono::seconds(30);

/// What the client does wrong; all false is an honest one.
struct Manners {
  bool another_version = false;
  bool garbage_behind_busid = false;
  bool ignores_refusals = false;  ///< Keeps the connection open whatever the reply says.
  bool another_devid = false;
  bool wrong_length = false;
  bool forwards_set_address = false;
  bool guesses_packets = false;  ///< number_of_packets 7 for control.
  bool no_interval = false;      ///< For the interrupt URB.
  bool unlinks_strangers = false;
  bool takes_all_data = false;
  bool waits_for_ever = false;  ///< Never unlinks.
  bool odd_flags = false;
};

/// Attaches again and again.
class ScriptedClient final {
 public:
  ScriptedClient(std::uint16_t port, Manners manners)
      : port_(port), manners_(manners), thread_([this] { run(); }) {}
  ~ScriptedClient() {
    stopped_ = true;
    thread_.join();
  }
  ScriptedClient(const ScriptedClient&) = delete;
  ScriptedClient& operator=(const ScriptedClient&) = delete;

 private:
  void run() {
    while (!stopped_) {
      auto socket = connect_to({.host = "127.0.0.1", .port = port_}, std::chrono::seconds(1));
      if (!socket) return;
      Connection connection(std::move(*socket), {kPatience, TimePoint::max()});
      try {
        attach(connection);
      } catch (const Settled&) {
        // Something is wrong with the server: an honest client leaves.
      }
    }
  }

  void attach(Connection& connection) {
    ImportRequest request{.busid = make_name<kBusIdSize>(ClientProbe::kBusId)};
    if (manners_.another_version) request.header.version = std::uint16_t{0x0100};
    if (manners_.garbage_behind_busid) request.busid[20] = 'x';
    connection.send_struct(request);
    const auto header = connection.receive_struct<OpHeader>("reply");
    const bool refused = header.version != kVersion || header.status != 0;
    if (refused && !manners_.ignores_refusals) return;
    if (refused) return wait_until_stopped(connection);
    const auto record = connection.receive_struct<DeviceRecord>("device");
    if (name_in(record.busid) != std::string_view(ClientProbe::kBusId)) {
      if (manners_.ignores_refusals) wait_until_stopped(connection);
      return;
    }
    devid_ = record.busnum << 16 | record.devnum;
    if (manners_.another_devid) ++devid_;
    enumerate(connection);
  }

  void wait_until_stopped(Connection& connection) {
    while (!stopped_ && connection.next(std::chrono::milliseconds(10)) != Connection::Next::End) {
      (void)connection.receive(1, "anything");
    }
  }

  void enumerate(Connection& connection) {
    if (manners_.forwards_set_address) {
      (void)control_request(connection, {.bRequest = 5, .wValue = std::uint16_t{3}});
    }
    (void)control_request(connection, {0x80, 6, std::uint16_t{0x0100}, {}, std::uint16_t{18}});
    (void)control_request(connection, {0x80, 6, std::uint16_t{0x0200}, {}, std::uint16_t{255}});
    (void)control_request(
        connection, {0x80, 6, std::uint16_t{0x0302}, std::uint16_t{0x0409}, std::uint16_t{255}});
    (void)control_request(connection, {0x00, 9, std::uint16_t{1}, {}, {}});
    Submit interrupt{.ep = 1, .in = true, .length = 8, .interval = 64};
    if (manners_.no_interval) interrupt.interval = 0;
    if (manners_.odd_flags) interrupt.flags = 0x1000;
    connection.send(encode_submit(interrupt, ++seqnum_, devid_));
    // Used for a moment, then detached, or ended by the server.
    (void)connection.next(std::chrono::milliseconds(50));
    connection.close();
  }

  /// One request; a lost one is unlinked and made once more.
  std::vector<std::byte> control_request(Connection& connection, const usb::SetupPacket& setup) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      Submit submit = control(setup);
      if (manners_.wrong_length) submit.length += 1;
      if (manners_.guesses_packets) submit.number_of_packets = 7;
      if (manners_.wrong_length && !submit.in) submit.data.resize(1);
      const auto seqnum = ++seqnum_;
      connection.send(encode_submit(submit, seqnum, devid_));
      if (manners_.unlinks_strangers) {
        connection.send_struct(encode_unlink(seqnum + 1000, ++seqnum_, devid_));
        (void)connection.receive_struct<RetUnlink>("reply");
      }
      const auto patience = manners_.waits_for_ever ? kPatience : std::chrono::milliseconds(200);
      if (connection.next(patience) == Connection::Next::Nothing) {
        connection.send_struct(encode_unlink(seqnum, ++seqnum_, devid_));
      }
      if (const auto data = reply_to(connection, seqnum, submit)) return *data;
    }
    failed("the server cancels everything");
  }

  /// The data of the reply; nothing when the request was cancelled.
  std::optional<std::vector<std::byte>> reply_to(Connection& connection, std::uint32_t seqnum,
                                                 const Submit& submit) {
    const bool is_unlinked = seqnum_ > seqnum && !manners_.unlinks_strangers;
    std::optional<std::vector<std::byte>> data;
    while (true) {
      const auto header = connection.receive_struct<RetSubmit>("reply");
      const auto command = decode_command(header.basic.command);
      if (command == Command::RetUnlink) {
        if (is_unlinked && header.basic.seqnum == seqnum_) return data;
        continue;  // For nothing that was sent.
      }
      if (command != Command::RetSubmit || header.basic.seqnum != seqnum) failed("a stranger");
      const std::int32_t length = header.actual_length;
      if (length < 0 || (length > submit.length && !manners_.takes_all_data)) failed("a lie");
      data = submit.in ? connection.receive(static_cast<std::size_t>(length), "data")
                       : std::vector<std::byte>();
      if (!is_unlinked) return data;
    }
  }

  std::uint16_t port_;
  Manners manners_;
  std::uint32_t devid_ = 0;
  std::uint32_t seqnum_ = 1000;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

struct Listening {
  UniqueFd socket;
  std::uint16_t port = 0;
};

Listening listen_somewhere() {
  Listening result{.socket = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(place);
  ::bind(result.socket.get(), reinterpret_cast<const sockaddr*>(&place), size);
  ::listen(result.socket.get(), 5);
  ::getsockname(result.socket.get(), reinterpret_cast<sockaddr*>(&place), &size);
  result.port = ntohs(place.sin_port);
  return result;
}

/// The outcomes of the cases whose names contain one of `match`, by name.
std::map<std::string, Outcome> examine(Manners manners, std::vector<std::string> match = {},
                                       Duration patience = kPatience) {
  auto listening = listen_somewhere();
  std::map<std::string, Outcome> outcomes;
  {
    ScriptedClient client(listening.port, manners);
    ClientProbe probe(std::move(listening.socket), patience);
    (void)run_client_suite(
        probe, {.match = std::move(match)},
        {.begins = [](const Case&) {},
         .ended = [&](const Case& each,
                      const Outcome& outcome) { outcomes[each.name] = outcome; }});
  }
  return outcomes;
}

Outcome fails(Manners manners, const std::string& name) {
  // What is said is judged over one honest session.
  const bool is_said = name.starts_with("says.");
  return examine(manners, {is_said ? "client.configures" : name, name},
                 std::chrono::milliseconds(800))[name];
}

TEST(ClientCases, PassAnHonestClient) {
  const auto outcomes = examine({});
  for (const auto& [name, outcome] : outcomes) {
    const bool is_never_said =
        name.starts_with("says.iso") || name == "says.setup" || name.starts_with("says.interval");
    EXPECT_TRUE(outcome.verdict == Verdict::Pass || is_never_said)
        << name << ": " << outcome.reason;
    EXPECT_NE(outcome.verdict, Verdict::Fail) << name << ": " << outcome.reason;
  }
  EXPECT_EQ(outcomes.size(), client_case_texts().size());
}

TEST(ClientCases, AreNotApplicableWhenNobodyComes) {
  auto listening = listen_somewhere();
  ClientProbe probe(std::move(listening.socket), std::chrono::milliseconds(20));
  const auto counts = run_client_suite(
      probe, {}, {.begins = [](const Case&) {}, .ended = [](const Case&, const Outcome&) {}});
  EXPECT_EQ(counts.not_applicable, client_case_texts().size());
}

TEST(ClientCases, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const auto& each : client_case_texts()) EXPECT_TRUE(names.insert(each.name).second);
}

#define CATCHES(habit, name) EXPECT_EQ(fails({.habit = true}, name).verdict, Verdict::Fail)

TEST(ClientCases, CatchAnotherVersion) { CATCHES(another_version, "says.version"); }
TEST(ClientCases, CatchGarbageBehindTheBusId) { CATCHES(garbage_behind_busid, "says.busid"); }
TEST(ClientCases, CatchAClientThatStaysThoughRefused) {
  CATCHES(ignores_refusals, "client.refused");
}
TEST(ClientCases, CatchAClientThatTakesAnotherDevice) {
  CATCHES(ignores_refusals, "client.other_busid");
}
TEST(ClientCases, CatchAnotherDevid) { CATCHES(another_devid, "says.devid"); }
TEST(ClientCases, CatchAWrongControlLength) { CATCHES(wrong_length, "says.control_length"); }
TEST(ClientCases, CatchSetAddress) { CATCHES(forwards_set_address, "says.set_address"); }
TEST(ClientCases, CatchANumberOfPacketsForControl) { CATCHES(guesses_packets, "says.packets"); }
TEST(ClientCases, CatchAnUnlinkOfNothing) { CATCHES(unlinks_strangers, "says.unlink_target"); }
TEST(ClientCases, CatchAClientThatTakesTooMuch) { CATCHES(takes_all_data, "client.oversized"); }
TEST(ClientCases, CatchAClientThatWaitsForEver) { CATCHES(waits_for_ever, "client.unlink"); }

/// The interrupt URB comes only once the device is configured.
Outcome fails_when_used(Manners manners, const std::string& name) {
  return examine(manners, {"client.detach", name}, std::chrono::milliseconds(800))[name];
}
TEST(ClientCases, CatchAnInterruptWithoutInterval) {
  EXPECT_EQ(fails_when_used({.no_interval = true}, "says.interval").verdict, Verdict::Fail);
}
TEST(ClientCases, CatchFlagsThatDoNotExist) {
  EXPECT_EQ(fails_when_used({.odd_flags = true}, "says.flags").verdict, Verdict::Fail);
}

}  // namespace
}  // namespace periprox::check

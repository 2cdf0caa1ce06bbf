// A small honest USB/IP server with bad habits that can be switched on one by one: what the cases
// of the suite are tested against. A thread for each connection, blocking, for tests only.
//
// Its device has one interface that gives back on bulk IN 1 what it is sent on bulk OUT 1.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "periprox/check/imported.hpp"
#include "periprox/link/address.hpp"
#include "periprox/usb/descriptors.hpp"

namespace periprox::check {

/// What the server does wrong; all false is an honest one.
struct Habits {
  // Management phase.
  bool closes_on_unknown_busid = false;
  bool refuses_with_record = false;
  bool compares_32_bytes = false;
  bool takes_any_version = false;
  bool keeps_list_open = false;
  bool says_nothing = false;
  bool lets_two_import = false;
  bool wrong_interface_count = false;
  bool never_frees = false;
  // URBs.
  bool forgets_packets = false;    ///< number_of_packets is not mirrored.
  bool packets_as_size = false;    ///< Skips 16 bytes for each of number_of_packets.
  bool repeats_addresses = false;  ///< devid, direction and ep in replies.
  bool payload_after_out = false;
  bool ignores_missing_endpoint = false;
  bool ends_on_bad_length = false;  ///< As Linux' stub for wLength.
  bool any_devid = false;
  bool too_much_data = false;  ///< actual_length beyond what was asked for.
  bool stall_sticks = false;
  // UNLINK.
  bool ignores_unknown_unlink = false;
  bool answers_cancelled = false;  ///< RET_SUBMIT and RET_UNLINK(-ECONNRESET).
  bool cancels_all = false;        ///< An UNLINK ends the endpoint's other URBs too.
  bool unlink_says_0 = false;      ///< For pending URBs.
  bool ignores_zero_packet = false;
};

class ScriptedServer final {
 public:
  explicit ScriptedServer(Habits habits = {});
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] link::Address address() const;
  static constexpr const char* kBusId = "1-1";

 private:
  class Session;
  void accept_all();

  Habits habits_;
  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> in_use_ = false;
  std::mutex mutex_;
  std::vector<int> open_;  // Sockets of the sessions, to shut them down.
  std::vector<std::thread> sessions_;
  std::thread acceptor_;
};

}  // namespace periprox::check

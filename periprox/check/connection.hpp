// One connection as raw bytes, with blocking calls that always come back.
//
// A conformance suite has to be able to say anything, also what no session of ours would: half a
// header, one byte at a time, then a reset. Blocking calls let a case read like the story it tells.
// Every wait ends after `patience` without a byte, and all waits of a case at its deadline.
#pragma once

#include <string_view>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/clock.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"
#include "periprox/check/verdict.hpp"
#include "periprox/link/address.hpp"

namespace periprox::check {

/// How long a peer may take.
struct Patience {
  Duration each;       ///< For the next byte of an answer.
  TimePoint deadline;  ///< For everything.
};

/// Opens a connection; fails when nobody answers within `patience`.
[[nodiscard]] Result<UniqueFd> connect_to(const link::Address& address, Duration patience);

/// Listens for connections, TCP or Unix.
[[nodiscard]] Result<UniqueFd> listen_at(const link::Address& address);

/// A connection that was made or accepted. What goes wrong with it ends the case (failed()).
class Connection final {
 public:
  Connection(UniqueFd socket, Patience patience);

  /// Sends all of it, and keeps what arrives meanwhile, so that neither side waits for the other.
  void send(Bytes bytes);
  template <typename T>
  void send_struct(const T& value) {
    send(bytes_of(value));
  }
  /// Sends until all is gone or nothing was taken for `quiet`; reads nothing. Returns what was
  /// sent.
  std::size_t send_without_reading(Bytes bytes, Duration quiet);

  /// Takes exactly `count` bytes; `what` is for the reason when they do not come.
  [[nodiscard]] std::vector<std::byte> receive(std::size_t count, std::string_view what);
  template <typename T>
  [[nodiscard]] T receive_struct(std::string_view what) {
    return *read_as<T>(receive(sizeof(T), what));
  }

  enum class Next : std::uint8_t { Byte, End, Nothing };
  /// What comes next, within `how_long`; takes nothing.
  [[nodiscard]] Next next(Duration how_long);
  /// next(), within the patience.
  [[nodiscard]] Next next() { return next(patience_.each); }
  [[nodiscard]] const Patience& patience() const { return patience_; }

  /// Sends no more (FIN), and can still receive.
  void end_sending();
  /// Ends the connection politely (FIN), also when not all was read.
  void close();
  /// Ends it with a reset (RST); a Unix socket just closes.
  void reset();

 private:
  /// Reads what is there, once; false at the end.
  bool fill();
  /// Waits for events, at most until `until`; 0 when nothing happened.
  [[nodiscard]] short wait(short events, TimePoint until) const;
  [[nodiscard]] TimePoint until(Duration how_long) const;

  UniqueFd socket_;
  Patience patience_;
  std::vector<std::byte> inbox_;
  std::size_t taken_ = 0;
  bool ended_ = false;
};

/// What the steady clock says.
[[nodiscard]] TimePoint now();

}  // namespace periprox::check

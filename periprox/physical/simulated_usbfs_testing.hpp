// A kernel for tests: keeps, completes, refuses and kills URBs as a test says, with the rules of
// usbfs that matter to its users.
//
// It is polled like the real one: the descriptor is one end of a socket pair, writable while
// something can be reaped, hung up when the device is unplugged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "periprox/base/unique_fd.hpp"
#include "periprox/physical/usbfs.hpp"

namespace periprox::physical {

/// Thread-safe, so that completions may come from another thread while the loop submits.
class SimulatedUsbfs final : public Usbfs {
 public:
  SimulatedUsbfs();
  ~SimulatedUsbfs() override;

  // What a test does.

  /// The pending URB at `index`, oldest first.
  [[nodiscard]] KernelUrb& pending(std::size_t index = 0);
  [[nodiscard]] std::size_t pending_count() const;
  /// Ends a pending URB with `status` (0 or a negative errno); IN data is written first.
  void complete(KernelUrb& urb, int status, std::uint32_t actual_length);
  void complete_in(KernelUrb& urb, std::string_view data);
  /// Ends the oldest pending URB as a device would that moves everything; false when none pends.
  bool complete_oldest();
  /// Kills everything and hangs up.
  void unplug();
  /// Everything that was asked for but URBs: "claim 0", "reset", "set_interface 1 2", ...
  [[nodiscard]] std::vector<std::string> calls() const;
  /// Calls of the loop made while a helper thread was within a blocking call: each would have
  /// blocked the loop.
  [[nodiscard]] int calls_that_would_block() const;

  // How it behaves; set before it is used.

  std::uint64_t memory_limit = 0;     ///< Bytes of pending URBs, 0 = no limit: ENOMEM above.
  std::map<std::string, int> errors;  ///< What a call answers instead of 0, by its text in calls().
  std::function<int(const usbdevfs_urb&)> refuse;         ///< What a submit answers.
  std::function<void(const std::string&)> while_blocked;  ///< Called within a blocking call.
  bool maps = true;
  std::size_t mapped = 0;                               ///< Bytes mapped now.
  std::shared_ptr<int> life = std::make_shared<int>();  ///< For tests that watch when this goes.

  int pollable() const override { return ours_.get(); }
  std::uint32_t capabilities() const override { return USBDEVFS_CAP_MMAP; }
  bool disconnected() const override;
  int submit(KernelUrb& urb) override;
  Reaped reap() override;
  int discard(KernelUrb& urb) override;
  int set_interface(std::uint8_t number, std::uint8_t alternate) override;
  int set_configuration(std::uint8_t value) override;
  int reset_endpoint(usb::EndpointAddress endpoint) override;
  int reset() override;
  int allocate_streams(std::span<const std::uint8_t> endpoints, std::uint32_t count) override;
  int claim_interface(std::uint8_t number) override;
  int release_interface(std::uint8_t number) override;
  int connect_driver(std::uint8_t number) override;
  int claim_port(std::uint32_t port) override;
  std::byte* map(std::size_t size) override;
  void unmap(std::byte* memory, std::size_t size) override;

 private:
  int blocking_call(const std::string& text);
  void finish(KernelUrb& urb, int status);
  void kill_all();
  void make_writable();
  void make_unwritable();

  mutable std::mutex mutex_;
  UniqueFd ours_;
  UniqueFd theirs_;
  std::deque<KernelUrb*> pending_;
  std::deque<KernelUrb*> completed_;
  std::vector<std::string> calls_;
  std::set<std::uint8_t> claimed_;
  std::uint64_t memory_used_ = 0;
  bool unplugged_ = false;
  bool writable_ = true;
  bool blocked_ = false;
  int would_block_ = 0;
};

}  // namespace periprox::physical

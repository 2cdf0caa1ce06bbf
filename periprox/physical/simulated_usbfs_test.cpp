#include "periprox/physical/simulated_usbfs_testing.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace periprox::physical {

SimulatedUsbfs::SimulatedUsbfs() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    std::abort();
  }
  ours_.reset(ends[0]);
  theirs_.reset(ends[1]);
  make_unwritable();
}

SimulatedUsbfs::~SimulatedUsbfs() = default;

KernelUrb& SimulatedUsbfs::pending(std::size_t index) {
  const std::lock_guard lock(mutex_);
  return *pending_.at(index);
}

std::size_t SimulatedUsbfs::pending_count() const {
  const std::lock_guard lock(mutex_);
  return pending_.size();
}

std::vector<std::string> SimulatedUsbfs::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int SimulatedUsbfs::calls_that_would_block() const {
  const std::lock_guard lock(mutex_);
  return would_block_;
}

void SimulatedUsbfs::complete(KernelUrb& urb, int status, std::uint32_t actual_length) {
  const std::lock_guard lock(mutex_);
  urb->actual_length = static_cast<int>(actual_length);
  finish(urb, status);
}

void SimulatedUsbfs::complete_in(KernelUrb& urb, std::string_view data) {
  const std::size_t room = urb->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;
  std::memcpy(static_cast<std::byte*>(urb->buffer) + room, data.data(), data.size());
  complete(urb, 0, static_cast<std::uint32_t>(data.size()));
}

bool SimulatedUsbfs::complete_oldest() {
  const std::lock_guard lock(mutex_);
  if (pending_.empty()) return false;
  KernelUrb& urb = *pending_.front();
  const int room = urb->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;
  urb->actual_length = urb->buffer_length - room;
  finish(urb, 0);
  return true;
}

void SimulatedUsbfs::finish(KernelUrb& urb, int status) {
  std::erase(pending_, &urb);
  memory_used_ -= static_cast<std::uint64_t>(urb->buffer_length);
  urb->status = status;
  completed_.push_back(&urb);
  make_writable();
}

void SimulatedUsbfs::kill_all() {
  while (!pending_.empty()) finish(*pending_.front(), -ENOENT);
}

void SimulatedUsbfs::unplug() {
  const std::lock_guard lock(mutex_);
  unplugged_ = true;
  kill_all();
  theirs_.reset();
}

bool SimulatedUsbfs::disconnected() const {
  const std::lock_guard lock(mutex_);
  return unplugged_;
}

void SimulatedUsbfs::make_writable() {
  if (writable_ || !theirs_) return;
  std::array<char, 65536> sink{};
  while (::read(theirs_.get(), sink.data(), sink.size()) > 0) {
  }
  writable_ = true;
}

void SimulatedUsbfs::make_unwritable() {
  if (!writable_ || !theirs_) return;
  const std::array<char, 65536> filling{};
  while (::send(ours_.get(), filling.data(), filling.size(), MSG_NOSIGNAL) > 0) {
  }
  writable_ = false;
}

int SimulatedUsbfs::submit(KernelUrb& urb) {
  const std::lock_guard lock(mutex_);
  if (blocked_) ++would_block_;
  if (unplugged_) return ENODEV;
  if (refuse) {
    if (const int error = refuse(*urb.raw()); error != 0) return error;
  }
  const auto size = static_cast<std::uint64_t>(urb->buffer_length);
  if (memory_limit != 0 && memory_used_ + size > memory_limit) return ENOMEM;
  memory_used_ += size;
  pending_.push_back(&urb);
  return 0;
}

Reaped SimulatedUsbfs::reap() {
  const std::lock_guard lock(mutex_);
  if (blocked_) ++would_block_;
  if (completed_.empty()) return {nullptr, unplugged_ ? ENODEV : EAGAIN};
  KernelUrb* urb = completed_.front();
  completed_.pop_front();
  if (completed_.empty()) make_unwritable();
  return {urb, 0};
}

int SimulatedUsbfs::discard(KernelUrb& urb) {
  const std::lock_guard lock(mutex_);
  if (blocked_) ++would_block_;
  if (unplugged_) return ENODEV;
  if (std::find(pending_.begin(), pending_.end(), &urb) == pending_.end()) return EINVAL;
  finish(urb, -ENOENT);
  return 0;
}

int SimulatedUsbfs::blocking_call(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back(text);
    blocked_ = true;
  }
  if (while_blocked) while_blocked(text);
  const std::lock_guard lock(mutex_);
  blocked_ = false;
  if (unplugged_) return ENODEV;
  const auto error = errors.find(text);
  return error == errors.end() ? 0 : error->second;
}

int SimulatedUsbfs::set_interface(std::uint8_t number, std::uint8_t alternate) {
  const int error =
      blocking_call("set_interface " + std::to_string(number) + " " + std::to_string(alternate));
  const std::lock_guard lock(mutex_);
  if (error == 0) kill_all();
  return error;
}

int SimulatedUsbfs::set_configuration(std::uint8_t value) {
  {
    const std::lock_guard lock(mutex_);
    if (!claimed_.empty()) return EBUSY;
  }
  return blocking_call("set_configuration " + std::to_string(value));
}

int SimulatedUsbfs::reset_endpoint(usb::EndpointAddress endpoint) {
  const std::lock_guard lock(mutex_);
  if (blocked_) ++would_block_;
  calls_.push_back("reset_endpoint " + std::to_string(endpoint.value()));
  return unplugged_ ? ENODEV : 0;
}

int SimulatedUsbfs::reset() {
  const int error = blocking_call("reset");
  const std::lock_guard lock(mutex_);
  kill_all();
  claimed_.clear();
  return error;
}

int SimulatedUsbfs::allocate_streams(std::span<const std::uint8_t> endpoints, std::uint32_t) {
  std::string text = "allocate_streams";
  for (const auto endpoint : endpoints) text += " " + std::to_string(endpoint);
  return blocking_call(text);
}

int SimulatedUsbfs::claim_interface(std::uint8_t number) {
  const int error = blocking_call("claim " + std::to_string(number));
  const std::lock_guard lock(mutex_);
  if (error == 0) claimed_.insert(number);
  return error;
}

int SimulatedUsbfs::release_interface(std::uint8_t number) {
  const int error = blocking_call("release " + std::to_string(number));
  const std::lock_guard lock(mutex_);
  claimed_.erase(number);
  return error;
}

int SimulatedUsbfs::connect_driver(std::uint8_t number) {
  return blocking_call("connect " + std::to_string(number));
}

int SimulatedUsbfs::claim_port(std::uint32_t port) {
  return blocking_call("claim_port " + std::to_string(port));
}

std::byte* SimulatedUsbfs::map(std::size_t size) {
  const std::lock_guard lock(mutex_);
  if (!maps) return nullptr;
  mapped += size;
  return new std::byte[size];
}

void SimulatedUsbfs::unmap(std::byte* memory, std::size_t size) {
  const std::lock_guard lock(mutex_);
  mapped -= size;
  delete[] memory;
}

}  // namespace periprox::physical

// What happens when the kernel has no memory for an URB: its endpoint waits until there is some.
#include <cerrno>

#include "periprox/physical/usbfs_device_impl.hpp"

namespace periprox::physical {
namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(20);
constexpr std::string_view kAdvice =
    "transfers wait for USB memory of the kernel; allow more of it with: "
    "echo 256 > /sys/module/usbcore/parameters/usbfs_memory_mb";

}  // namespace

/// True when the transfer is to wait; false when there never will be room for it.
bool UsbfsDevice::Impl::starve(const Transfer& transfer) {
  const KernelUrb& piece = *transfer.pieces[transfer.submitted];
  const auto size = static_cast<std::uint64_t>(piece->buffer_length);
  payloads_.trim();
  if (!std::exchange(advised_, true) && options_.advise) options_.advise(kAdvice);
  if (options_.usbfs_memory_limit != 0 && size >= options_.usbfs_memory_limit) return false;
  starved_ = true;
  if (in_kernel_ == 0) retry_later();
  return true;
}

void UsbfsDevice::Impl::retry_later() {
  if (std::exchange(retrying_, true)) return;
  memory_timer_ =
      loop_.call_at(loop_.now() + kRetryPause, weakly([](Impl& self) {
                      self.retrying_ = false;
                      ++self.idle_retries_;
                      self.starved_ = false;
                      if (self.idle_retries_ * kRetryPause > self.options_.memory_patience) {
                        self.give_up_starved();
                      }
                      if (!self.closed_) self.pump_all();
                    }));
}

/// Fails the first waiting URB of each endpoint that waits for memory.
void UsbfsDevice::Impl::give_up_starved() {
  idle_retries_ = 0;
  for (auto& list : lists_) {
    Transfer* transfer = list.first_waiting();
    if (transfer == nullptr || !transfer->prepared || transfer->submitted > 0) continue;
    refuse(list, *transfer, usb::Status::NoMemory);
    if (closed_) return;
  }
}

}  // namespace periprox::physical

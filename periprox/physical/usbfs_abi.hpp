// The only header that sees the structs of usbfs (include/uapi/linux/usbdevice_fs.h).
//
// The kernel knows a submitted URB by the address of its struct until it is reaped, and writes the
// results into it; so a KernelUrb has storage of its own that never moves.
#pragma once

#include <linux/usbdevice_fs.h>

#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace periprox::physical {

/// usbdevfs_urb::type; not the numbering of the endpoint descriptor.
enum class KernelTransferType : unsigned char {
  Isochronous = 0,
  Interrupt = 1,
  Control = 2,
  Bulk = 3
};

/// drivers/usb/core/devio.c: proc_do_submiturb() refuses more packets in one URB.
inline constexpr std::size_t kMaxKernelIsoPackets = 128;

/// One URB in the form of usbfs, with room for isochronous packets behind it.
class KernelUrb {
 public:
  explicit KernelUrb(std::size_t packet_capacity = 0)
      : storage_(new std::byte[sizeof(usbdevfs_urb) +
                               packet_capacity * sizeof(usbdevfs_iso_packet_desc)]{}),
        raw_(::new (storage_.get()) usbdevfs_urb{}),
        packet_capacity_(packet_capacity) {}

  [[nodiscard]] usbdevfs_urb* raw() const { return raw_; }
  usbdevfs_urb* operator->() const { return raw_; }

  [[nodiscard]] std::size_t packet_capacity() const { return packet_capacity_; }
  /// The first `count` packet descriptors; `count` is at most the capacity.
  [[nodiscard]] std::span<usbdevfs_iso_packet_desc> packets(std::size_t count) const {
    return {reinterpret_cast<usbdevfs_iso_packet_desc*>(storage_.get() + sizeof(usbdevfs_urb)),
            count};
  }

  /// Notes of the holder, which the kernel does not see.
  void* owner = nullptr;
  std::size_t first_packet = 0;

 private:
  std::unique_ptr<std::byte[]> storage_;
  usbdevfs_urb* raw_;
  std::size_t packet_capacity_;
};

static_assert(offsetof(usbdevfs_urb, iso_frame_desc) == sizeof(usbdevfs_urb));

}  // namespace periprox::physical

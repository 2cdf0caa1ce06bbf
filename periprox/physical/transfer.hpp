// One URB on its way through usbfs: translated into the kernel's form, and its results back.
//
// Pure translation: no call to the kernel is made here, so every rule is tested without one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "periprox/base/payload.hpp"
#include "periprox/physical/iso_split.hpp"
#include "periprox/physical/mapped_pool.hpp"
#include "periprox/physical/special_request.hpp"
#include "periprox/physical/usbfs_abi.hpp"
#include "periprox/usb/device_model.hpp"
#include "periprox/usb/urb.hpp"

namespace periprox::physical {

/// An URB that the device holds. Reused, with its storage, for the next one.
struct Transfer {
  enum class State : std::uint8_t {
    Waiting,   ///< Not, or not wholly, handed to the kernel.
    InKernel,  ///< Wholly handed to the kernel.
    Blocking,  ///< A special request that a helper thread is doing.
    Finished,  ///< Its outcome is known, but URBs before it on its endpoint are not done yet.
  };

  usb::Urb urb;
  State state = State::Waiting;
  SpecialRequest special = SpecialRequest::None;
  bool clears_halt = false;
  bool prepared = false;
  bool cancelled = false;
  std::uint64_t serial = 0;  ///< The order of submission, over all endpoints.

  /// One for each piece in use; more may be kept from earlier uses.
  std::vector<std::unique_ptr<KernelUrb>> pieces;
  std::size_t piece_count = 0;
  std::size_t submitted = 0;
  std::size_t reaped = 0;

  Payload copy;  ///< Data in the form of the kernel, where the URB's payload does not have it.
  std::array<std::byte, MappedPool::kSetupRoom> bare_setup{};
  int error = 0;  ///< The first errno of any piece.
  std::uint32_t actual_length = 0;

  Transfer* before = nullptr;  ///< In the list of its endpoint.
  Transfer* after = nullptr;

  /// Ready for another URB.
  void clear();
};

/// Checks the URB and fills in the pieces for the kernel. Returns why the URB is refused, if it is.
/// IN URBs without a payload get one here. Call once for each Transfer.
[[nodiscard]] std::optional<usb::Status> prepare_transfer(Transfer& transfer,
                                                          const usb::DeviceModel& model,
                                                          MappedPool& pool);

/// Takes over the results of one piece that was reaped.
void collect_piece(Transfer& transfer, const KernelUrb& piece);

/// Why the kernel may have killed an URB that nobody cancelled.
enum class KilledBy : std::uint8_t {
  Settings,  ///< Its interface was given another setting, its device another configuration.
  Reset,
  Unplug,
};

/// Puts the outcome into the URB, once every piece that was submitted has been collected.
void conclude_transfer(Transfer& transfer, KilledBy killed_by);

}  // namespace periprox::physical

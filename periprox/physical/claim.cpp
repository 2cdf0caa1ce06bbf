#include "periprox/physical/claim.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace periprox::physical {
namespace {

Error claim_error(const std::string& name, std::uint8_t interface, int number) {
  const std::string what = "cannot take interface " + std::to_string(interface) + " of " + name;
  if (number == EBUSY) {
    return {Error::Kind::Busy, what, "another program uses it", "close that program first"};
  }
  if (number == ENODEV) return {Error::Kind::Gone, what, "the device was unplugged", {}};
  return errno_error(number, what);
}

}  // namespace

Claim::Claim(std::shared_ptr<Usbfs> usbfs, ClaimTarget target, std::unique_ptr<Usbfs> port_hold,
             std::unique_ptr<ClaimRecord> record)
    : usbfs_(std::move(usbfs)),
      target_(std::move(target)),
      configuration_value_(target_.configuration_value),
      port_hold_(std::move(port_hold)),
      record_(std::move(record)) {}

Result<std::unique_ptr<Claim>> Claim::take(std::shared_ptr<Usbfs> usbfs, ClaimTarget target,
                                           std::unique_ptr<Usbfs> port_hold,
                                           std::unique_ptr<ClaimRecord> record) {
  std::unique_ptr<Claim> claim(
      new Claim(std::move(usbfs), std::move(target), std::move(port_hold), std::move(record)));
  for (const std::uint8_t interface : claim->target_.interfaces) {
    if (const int error = claim->usbfs_->claim_interface(interface); error != 0) {
      auto failure = claim_error(claim->target_.name, interface, error);
      if (error == ENODEV) claim->forget();
      return tl::make_unexpected(std::move(failure));  // What was taken goes back in ~Claim().
    }
    claim->claimed_.push_back(interface);
  }
  claim->used_ = true;
  return claim;
}

std::unique_ptr<Claim> Claim::nothing(std::shared_ptr<Usbfs> usbfs, std::string name,
                                      std::uint8_t configuration_value) {
  return std::unique_ptr<Claim>(new Claim(
      std::move(usbfs), {std::move(name), configuration_value, {}, {}}, nullptr, nullptr));
}

Claim::~Claim() { give_back(); }

void Claim::release_interfaces() {
  for (const std::uint8_t interface : std::exchange(claimed_, {})) {
    (void)usbfs_->release_interface(interface);  // EINVAL: a reset has released it before.
  }
}

int Claim::claim_interfaces(std::span<const std::uint8_t> interfaces) {
  int first_error = 0;
  for (const std::uint8_t interface : interfaces) {
    const int error = usbfs_->claim_interface(interface);
    if (error != 0) {
      if (first_error == 0) first_error = error;
    } else if (std::find(claimed_.begin(), claimed_.end(), interface) == claimed_.end()) {
      claimed_.push_back(interface);
    }
  }
  return first_error;
}

void Claim::give_back() {
  if (!std::exchange(held_, false)) return;
  release_interfaces();
  if (used_) {
    // A client may have left the device in any state; drivers expect the one they know.
    if (configuration_value_ != target_.configuration_value) {
      (void)usbfs_->set_configuration(target_.configuration_value);
    }
    (void)usbfs_->reset();
  }
  // Drivers refuse a device whose port is owned.
  port_hold_.reset();
  for (const std::uint8_t interface : target_.driven) (void)usbfs_->connect_driver(interface);
  record_.reset();
}

void Claim::forget() {
  if (!std::exchange(held_, false)) return;
  port_hold_.reset();
  record_.reset();
}

}  // namespace periprox::physical

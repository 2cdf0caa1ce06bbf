// Each function is one ioctl; see drivers/usb/core/devio.c: usbdev_do_ioctl().
#include "periprox/physical/usbfs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "periprox/base/unique_fd.hpp"

namespace periprox::physical {
namespace {

class UsbfsFile final : public Usbfs {
 public:
  explicit UsbfsFile(UniqueFd fd) : fd_(std::move(fd)) {
    if (::ioctl(fd_.get(), USBDEVFS_GET_CAPABILITIES, &capabilities_) != 0) capabilities_ = 0;
  }

  int pollable() const override { return fd_.get(); }
  std::uint32_t capabilities() const override { return capabilities_; }

  bool disconnected() const override {
    pollfd poll{fd_.get(), POLLOUT, 0};
    return ::poll(&poll, 1, 0) == 1 && (poll.revents & (POLLHUP | POLLERR)) != 0;
  }

  int submit(KernelUrb& urb) override {
    urb->usercontext = &urb;
    return call(USBDEVFS_SUBMITURB, urb.raw());
  }

  Reaped reap() override {
    usbdevfs_urb* raw = nullptr;
    const int error = call(USBDEVFS_REAPURBNDELAY, &raw);
    if (error != 0) return {nullptr, error};
    return {static_cast<KernelUrb*>(raw->usercontext), 0};
  }

  int discard(KernelUrb& urb) override { return call(USBDEVFS_DISCARDURB, urb.raw()); }

  int set_interface(std::uint8_t number, std::uint8_t alternate) override {
    usbdevfs_setinterface setting{number, alternate};
    return call(USBDEVFS_SETINTERFACE, &setting);
  }
  int set_configuration(std::uint8_t value) override {
    unsigned int number = value;
    return call(USBDEVFS_SETCONFIGURATION, &number);
  }
  int reset_endpoint(usb::EndpointAddress endpoint) override {
    unsigned int address = endpoint.value();
    return call(USBDEVFS_RESETEP, &address);
  }
  int reset() override { return call(USBDEVFS_RESET, nullptr); }

  int allocate_streams(std::span<const std::uint8_t> endpoints, std::uint32_t count) override {
    // usbdevfs_streams ends in an array of unknown size; 30 endpoints are all a device can have.
    struct {
      unsigned int num_streams;
      unsigned int num_eps;
      std::array<unsigned char, 30> eps;
    } streams{count, static_cast<unsigned int>(endpoints.size()), {}};
    if (endpoints.size() > streams.eps.size()) return EINVAL;
    std::copy(endpoints.begin(), endpoints.end(), streams.eps.begin());
    // A positive answer is the number of streams there really are.
    return ::ioctl(fd_.get(), USBDEVFS_ALLOC_STREAMS, &streams) < 0 ? errno : 0;
  }

  int claim_interface(std::uint8_t number) override {
    // Answers 0 also for an interface that this file holds already, which the second call does not.
    unsigned int interface = number;
    const int error = call(USBDEVFS_CLAIMINTERFACE, &interface);
    if (error != EBUSY) return error;
    usbdevfs_disconnect_claim claim{};
    claim.interface = number;
    // Not taken away from another user of usbfs: it answers EBUSY then.
    claim.flags = USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER;
    std::string_view("usbfs").copy(claim.driver, sizeof claim.driver - 1);
    return call(USBDEVFS_DISCONNECT_CLAIM, &claim);
  }
  int release_interface(std::uint8_t number) override {
    unsigned int interface = number;
    return call(USBDEVFS_RELEASEINTERFACE, &interface);
  }
  int connect_driver(std::uint8_t number) override {
    usbdevfs_ioctl command{number, USBDEVFS_CONNECT, nullptr};
    return ::ioctl(fd_.get(), USBDEVFS_IOCTL, &command) < 0 ? errno : 0;
  }
  int claim_port(std::uint32_t port) override {
    unsigned int number = port;
    return call(USBDEVFS_CLAIM_PORT, &number);
  }

  std::byte* map(std::size_t size) override {
    if ((capabilities_ & USBDEVFS_CAP_MMAP) == 0) return nullptr;
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
  }
  void unmap(std::byte* memory, std::size_t size) override { ::munmap(memory, size); }

 private:
  int call(unsigned long request, void* argument) {
    int result = 0;
    do {
      result = ::ioctl(fd_.get(), request, argument);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
  }

  UniqueFd fd_;
  std::uint32_t capabilities_ = 0;
};

Error open_error(int number, const std::string& path) {
  const std::string what = "cannot open " + path;
  if (number == EACCES || number == EPERM) {
    return errno_error(number, what, "run as root, or install the udev rule and join its group");
  }
  if (number == ENOENT || number == ENODEV || number == ENXIO) {
    return {Error::Kind::Gone, what, "the device is not there any more", {}};
  }
  return errno_error(number, what);
}

}  // namespace

Result<std::unique_ptr<Usbfs>> open_usbfs(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return tl::make_unexpected(open_error(errno, path));
  return std::make_unique<UsbfsFile>(std::move(fd));
}

}  // namespace periprox::physical

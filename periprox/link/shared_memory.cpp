#include "periprox/link/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace periprox::link {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

Result<SharedMemory> map(int fd, std::uint64_t size, const std::string& what) {
  void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return tl::make_unexpected(errno_error(errno, "cannot map " + what));
  return SharedMemory{
      .bytes = {static_cast<std::byte*>(address), size},
      .keep = {address, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); }}};
}

Result<std::uint64_t> size_of(int fd, const std::string& what) {
  struct stat file {};
  if (::fstat(fd, &file) != 0)
    return tl::make_unexpected(errno_error(errno, "cannot size " + what));
  return static_cast<std::uint64_t>(file.st_size);
}

}  // namespace

Result<std::pair<SharedMemory, UniqueFd>> create_shared_memory(std::uint64_t size) {
  UniqueFd fd(::memfd_create("periprox-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return tl::make_unexpected(errno_error(errno, "cannot create shared memory"));
  }
  auto memory = map(fd.get(), size, "shared memory");
  if (!memory) return forward_error(memory);
  return std::pair{std::move(*memory), std::move(fd)};
}

Result<SharedMemory> map_sealed(UniqueFd fd, std::uint64_t size) {
  const std::string what = "the server's shared memory";
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return fail(Error::Kind::Malformed, "cannot map " + what,
                "it is not sealed: the server could cut it off");
  }
  const auto real = size_of(fd.get(), what);
  if (!real) return tl::make_unexpected(real.error());
  if (*real != size) {
    return fail(Error::Kind::Malformed, "cannot map " + what, "its size is not what was said");
  }
  return map(fd.get(), size, what);
}

Result<SharedMemory> map_file(const std::string& path, std::uint64_t size) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | (size != 0 ? O_CREAT : 0), 0600));
  if (!fd) return tl::make_unexpected(errno_error(errno, "cannot open " + path));
  auto real = size_of(fd.get(), path);
  if (!real) return forward_error(real);
  if (*real == 0 && size != 0) {
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
      return tl::make_unexpected(errno_error(errno, "cannot size " + path));
    }
    real = size;
  }
  if (*real == 0) {
    return fail(Error::Kind::Failed, "cannot map " + path, "it is empty",
                "start the server first, or give QEMU's memory-backend-file a size");
  }
  return map(fd.get(), *real, path);
}

Result<SharedMemory> map_ivshmem(const std::string& address, Caching caching) {
  const std::string device = "/sys/bus/pci/devices/" + address;
  const std::string what = "the shared memory of PCI device " + address;
  const auto number = [&device](const char* name) {
    std::string text;
    std::ifstream(device + "/" + name) >> text;
    return text;
  };
  if (number("vendor") != "0x1af4" || number("device") != "0x1110") {
    return fail(Error::Kind::NotFound, "cannot map " + what,
                "there is no ivshmem device (1af4:1110) at that address",
                "`lspci -D -d 1af4:1110` shows the addresses");
  }
  // Memory decoding is off until a driver, or somebody here, asks for it.
  if (std::ofstream enable(device + "/enable"); !(enable << "1").flush()) {
    return fail(Error::Kind::NoPermission, "cannot map " + what, "the device cannot be enabled",
                "be root");
  }
  const char* const bar = caching == Caching::WriteCombining ? "/resource2_wc" : "/resource2";
  UniqueFd fd(::open((device + bar).c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return tl::make_unexpected(errno_error(errno, "cannot open " + device + bar));
  const auto size = size_of(fd.get(), what);
  if (!size) return tl::make_unexpected(size.error());
  return map(fd.get(), *size, what);
}

}  // namespace periprox::link

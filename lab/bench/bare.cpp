// A simple process on the way of an URB, for benches: no checks, no limits, no cancelling, blocking
// calls on two threads, one for each direction. It tells about how much of what PeriProx takes
// beyond the kernel's own server and client is the price of being a process. It is no lower bound.
//
// `export` serves one device from usbfs to one client, with four system calls for an URB: its
// command is read into the memory that the device takes its data from or writes it to, it is
// submitted and reaped, and the reply is written from there. `relay` attaches a device of a server
// to vhci_hcd, and copies bytes between the two.
//
// Only for cases of usbtest on a gadget zero, which ask for nothing more: URBs of at most 32 KiB,
// at most 64 at a time, no isochronous ones, no other configuration or alternate setting than the
// present one.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "periprox/physical/sysfs.hpp"
#include "periprox/physical/usbfs_abi.hpp"
#include "periprox/usb/speed.hpp"
#include "periprox/wire/usbip.hpp"

namespace {

using namespace periprox::wire::usbip;  // NOLINT(google-build-using-namespace)

constexpr const char* kUsage =
    "usage: bare export BUSID TCP_PORT          serves a device to one client\n"
    "       bare relay BUSID TCP_PORT VHCI_PORT  attaches a device of 127.0.0.1\n";

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int must(int result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

/// False at the end of the stream.
bool read_all(int fd, void* place, std::size_t size) {
  return ::recv(fd, place, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

int tcp_socket() {
  const int fd = must(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

sockaddr_in local(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// To whoever started this.
void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

// ---- A relay ------------------------------------------------------------------------------------

void copy_bytes(int from, int to) {
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const ssize_t got = ::recv(from, buffer.data(), buffer.size(), 0);
    if (got <= 0 || ::send(to, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)
      break;
  }
  ::shutdown(from, SHUT_RDWR);
  ::shutdown(to, SHUT_RDWR);
}

void relay(const std::string& busid, int tcp_port, const std::string& vhci_port) {
  const int server = tcp_socket();
  const auto address = local(tcp_port);
  must(::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  const ImportRequest request{.busid = make_name<kBusIdSize>(busid)};
  must(static_cast<int>(::send(server, &request, sizeof request, 0)), "send");
  ImportReply reply;
  if (!read_all(server, &reply, sizeof reply)) fail("the reply to the import");

  std::array<int, 2> pair{};
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), "socketpair");
  const std::uint32_t devid = reply.device.busnum << 16 | reply.device.devnum;
  std::ofstream attach("/sys/devices/platform/vhci_hcd.0/attach");
  attach << vhci_port << ' ' << pair[1] << ' ' << devid << ' ' << reply.device.speed << std::flush;
  if (!attach) fail("attach");
  ::close(pair[1]);
  say_ready();
  std::thread replies([&] { copy_bytes(server, pair[0]); });
  copy_bytes(pair[0], server);
  replies.join();
}

// ---- A server -----------------------------------------------------------------------------------

constexpr std::size_t kSlots = 64;
constexpr std::size_t kSlotSize = std::size_t{48} * 1024;

/// One URB. A command ends in the setup packet, where usbfs wants it: right before the data of a
/// control transfer. The reply takes the place of the command.
struct Slot {
  std::byte* message = nullptr;
  std::uint32_t seqnum = 0;
  periprox::physical::KernelUrb urb;
};

class Exporter {
 public:
  Exporter(int usbfs, int socket) : usbfs_(usbfs), socket_(socket), slots_(kSlots) {
    void* memory =
        ::mmap(nullptr, kSlots * kSlotSize, PROT_READ | PROT_WRITE, MAP_SHARED, usbfs, 0);
    if (memory == MAP_FAILED) fail("mmap");
    for (std::size_t i = 0; i < kSlots; ++i) {
      slots_[i].message = static_cast<std::byte*>(memory) + i * kSlotSize;
      slots_[i].urb->usercontext = &slots_[i];
      free_.push_back(&slots_[i]);
    }
  }

  void run() {
    std::thread replies([this] { answer(); });
    replies.detach();
    submit();
  }

 private:
  Slot& take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) std::abort();
    Slot& slot = *free_.back();
    free_.pop_back();
    return slot;
  }

  /// Reads commands, with the data of each in the same call when nothing else has come.
  void submit() {
    Slot* slot = &take();
    std::size_t have = 0;
    for (;;) {
      const auto need = [&] { return have < kHeaderSize ? kHeaderSize : message_size(*slot); };
      while (have < need()) {
        const ssize_t got = ::recv(socket_, slot->message + have, kSlotSize - have, 0);
        if (got <= 0) return;
        have += static_cast<std::size_t>(got);
      }
      const std::size_t used = message_size(*slot);
      Slot* next = &take();
      have -= used;
      if (have > 0) std::memcpy(next->message, slot->message + used, have);
      hand_over(*slot);
      slot = next;
    }
  }

  static std::size_t message_size(const Slot& slot) {
    const auto& command = *reinterpret_cast<const CmdSubmit*>(slot.message);
    if (decode_command(command.basic.command) != Command::CmdSubmit) std::abort();
    return kHeaderSize + (command.basic.direction == 0
                              ? std::size_t(std::int32_t(command.transfer_buffer_length))
                              : 0);
  }

  void hand_over(Slot& slot) {
    const auto& command = *reinterpret_cast<const CmdSubmit*>(slot.message);
    usbdevfs_urb& urb = *slot.urb.raw();
    const bool is_control = command.basic.ep == 0;
    const std::int32_t length = command.transfer_buffer_length;
    const bool is_in = command.basic.direction == 1;
    slot.seqnum = command.basic.seqnum;
    urb.type = is_control ? USBDEVFS_URB_TYPE_CONTROL : USBDEVFS_URB_TYPE_BULK;
    urb.endpoint = static_cast<unsigned char>(command.basic.ep | (is_in && !is_control ? 0x80 : 0));
    urb.flags = is_in || is_control ? 0 : command.transfer_flags & kFlagZeroPacket;
    urb.buffer = slot.message + kHeaderSize - (is_control ? 8 : 0);
    urb.buffer_length = length + (is_control ? 8 : 0);
    must(::ioctl(usbfs_, USBDEVFS_SUBMITURB, &urb), "SUBMITURB");
  }

  void answer() {
    for (;;) {
      usbdevfs_urb* urb = nullptr;
      must(::ioctl(usbfs_, USBDEVFS_REAPURB, &urb), "REAPURB");
      Slot& slot = *static_cast<Slot*>(urb->usercontext);
      const bool is_in = urb->type == USBDEVFS_URB_TYPE_CONTROL
                             ? (slot.message[kHeaderSize - 8] & std::byte{0x80}) != std::byte{0}
                             : (urb->endpoint & 0x80) != 0;
      const RetSubmit reply{.basic = {.command = static_cast<std::uint32_t>(Command::RetSubmit),
                                      .seqnum = slot.seqnum},
                            .status = urb->status,
                            .actual_length = urb->actual_length};
      std::memcpy(slot.message, &reply, sizeof reply);
      const std::size_t size =
          sizeof reply + (is_in ? static_cast<std::size_t>(urb->actual_length) : 0);
      must(static_cast<int>(::send(socket_, slot.message, size, MSG_NOSIGNAL)), "send");
      const std::lock_guard lock(mutex_);
      free_.push_back(&slot);
    }
  }

  int usbfs_;
  int socket_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::vector<Slot*> free_;
};

/// Of the device in sysfs.
std::uint32_t number_of(const std::filesystem::path& device, const char* name, int base = 10) {
  const auto number = periprox::physical::read_number(device / name, base);
  if (!number) fail(name);
  return *number;
}

void serve(const std::string& busid, int tcp_port) {
  const auto device = std::filesystem::path("/sys/bus/usb/devices") / busid;
  const auto busnum = number_of(device, "busnum");
  const auto devnum = number_of(device, "devnum");
  std::array<char, 64> node{};
  std::snprintf(node.data(), node.size(), "/dev/bus/usb/%03u/%03u", busnum, devnum);
  const int usbfs = must(::open(node.data(), O_RDWR | O_CLOEXEC), "open");
  usbdevfs_disconnect_claim claim{};
  must(::ioctl(usbfs, USBDEVFS_DISCONNECT_CLAIM, &claim), "DISCONNECT_CLAIM");

  const int listener = tcp_socket();
  const int one = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const auto address = local(tcp_port);
  must(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  must(::listen(listener, 1), "listen");
  say_ready();
  const int client = must(::accept(listener, nullptr, nullptr), "accept");
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  ImportRequest request;
  if (!read_all(client, &request, sizeof request)) fail("the import");
  ImportReply reply;
  reply.device.path = make_name<256>(device.string());
  reply.device.busid = make_name<kBusIdSize>(busid);
  reply.device.busnum = busnum;
  reply.device.devnum = devnum;
  const auto mbps = periprox::physical::read_attribute(device / "speed");
  const auto speed = periprox::usb::parse_speed_mbps(mbps.value_or(""));
  if (!speed) fail("speed");
  reply.device.speed = static_cast<std::uint32_t>(*speed);
  reply.device.idVendor = static_cast<std::uint16_t>(number_of(device, "idVendor", 16));
  reply.device.idProduct = static_cast<std::uint16_t>(number_of(device, "idProduct", 16));
  reply.device.bConfigurationValue =
      static_cast<std::uint8_t>(number_of(device, "bConfigurationValue"));
  reply.device.bNumConfigurations =
      static_cast<std::uint8_t>(number_of(device, "bNumConfigurations"));
  reply.device.bNumInterfaces = 1;
  must(static_cast<int>(::send(client, &reply, sizeof reply, 0)), "send");
  Exporter(usbfs, client).run();
  ::_exit(0);  // The other thread waits in the kernel.
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 3 && words[0] == "export") {
    serve(words[1], std::stoi(words[2]));
  } else if (words.size() == 4 && words[0] == "relay") {
    relay(words[1], std::stoi(words[2]), words[3]);
  } else {
    std::fputs(kUsage, stderr);
    return 2;
  }
  return 0;
}

#include "periprox/app/watched.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "periprox/app/json.hpp"
#include "periprox/app/watch_place.hpp"
#include "periprox/base/bytes.hpp"
#include "periprox/link/address.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/usb/hex_text.hpp"
#include "periprox/wire/usbip.hpp"

namespace periprox::app {
namespace {

constexpr int kPatienceMilliseconds = 2000;
constexpr std::size_t kLongestAnswer = std::size_t{1} << 20;

Result<UniqueFd> ask(const std::filesystem::path& socket, const std::string& request) {
  const auto what = "cannot watch through " + socket.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = socket.string();
  if (path.size() >= sizeof(address.sun_path))
    return fail(Error::Kind::Failed, what, "the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return tl::make_unexpected(errno_error(errno, what));
  const auto sent = ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size()))
    return tl::make_unexpected(errno_error(errno, what));
  return fd;
}

/// poll() for reading that signals don't end.
bool becomes_readable(int fd) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  int count = 0;
  while ((count = ::poll(&ready, 1, kPatienceMilliseconds)) < 0 && errno == EINTR) {
  }
  return count > 0;
}

/// The bytes until the end, or as many as come in time.
std::string read_answer(int fd) {
  std::string answer;
  char room[4096];
  while (answer.size() < kLongestAnswer && becomes_readable(fd)) {
    const auto count = ::read(fd, room, sizeof(room));
    if (count <= 0) break;
    answer.append(room, static_cast<std::size_t>(count));
  }
  return answer;
}

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "::" || host == "0.0.0.0" ||
         host.starts_with("127.");
}

/// True when a client that connects to `wanted` on this machine may reach who listens on `listen`.
bool reaches(const link::Address& wanted, const std::string& listen) {
  const auto address = link::parse_address(listen, wire::usbip::kDefaultPort);
  if (!address || address->kind != wanted.kind) return false;
  if (wanted.kind != link::Address::Kind::Tcp) return *address == wanted;
  return address->port == wanted.port &&
         (address->host == wanted.host ||
          (is_this_machine(address->host) && is_this_machine(wanted.host)));
}

bool is_meant(const WatchedDevice& device, const physical::Locator& locator) {
  if (!locator.busid.empty()) return device.busid == locator.busid;
  return !locator.serial_number && device.ids == usb::ids_text(locator.idVendor, locator.idProduct);
}

bool is_meant(const WatchedDevice& device, std::string_view text) {
  if (text == device.locator) return true;
  if (text == device.busid + "@" + device.socket.filename().string()) return true;
  const auto is_at = [&](const std::string& listen) { return text == listen + "/" + device.busid; };
  if (std::ranges::any_of(device.listen, is_at)) return true;  // ring:///PATH/1-1
  const auto locator = service::parse_locator(text);
  if (!locator) return false;
  if (const auto* plugged = std::get_if<physical::Locator>(&*locator))
    return is_meant(device, *plugged);
  const auto* remote = std::get_if<service::RemoteLocator>(&*locator);
  if (remote == nullptr || !is_meant(device, remote->device)) return false;
  return std::ranges::any_of(
      device.listen, [&](const std::string& listen) { return reaches(remote->server, listen); });
}

volatile std::sig_atomic_t watched_socket = -1;
volatile std::sig_atomic_t watch_ended = 0;

void end_watch(int /*number*/) {
  watch_ended = 1;
  ::shutdown(watched_socket, SHUT_WR);
}

void end_watch_on_signals() {
  struct sigaction action {};
  action.sa_handler = end_watch;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  for (const int number : {SIGINT, SIGTERM}) ::sigaction(number, &action, nullptr);
}

}  // namespace

std::string WatchedDevice::text() const { return busid + "  " + ids + " " + name; }

std::vector<WatchedDevice> watched_devices() {
  std::vector<std::filesystem::path> sockets;
  std::error_code ignored;
  for (const auto& folder : watch_folders()) {
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      sockets.push_back(entry.path());
  }
  std::ranges::sort(sockets);
  std::vector<WatchedDevice> devices;
  for (const auto& socket : sockets) {
    const auto fd = ask(socket, "list\n");
    if (!fd) continue;  // It was killed, or is another user's.
    for (auto& device : parse_watched(read_answer(fd->get()))) {
      device.socket = socket;
      devices.push_back(std::move(device));
    }
  }
  return devices;
}

Result<WatchedDevice> find_watched(const std::vector<WatchedDevice>& devices,
                                   std::string_view text) {
  const auto what = "cannot watch '" + service::printable(text) + "'";
  std::vector<const WatchedDevice*> meant;
  for (const auto& device : devices) {
    if (is_meant(device, text)) meant.push_back(&device);
  }
  if (meant.size() > 1) {
    // One that is served here and used here is seen twice; its server sees all.
    const auto is_served = [](const WatchedDevice* device) { return !device->listen.empty(); };
    if (std::ranges::count_if(meant, is_served) == 1)
      return **std::ranges::find_if(meant, is_served);
    return fail(Error::Kind::Usage, what, "several devices are meant",
                "say which, such as " + meant[0]->busid + "@" +
                    meant[0]->socket.filename().string() + " (`periprox capture --list`)");
  }
  if (!meant.empty()) return *meant[0];
  return fail(Error::Kind::NotFound, what,
              "no server on this machine that this user may watch exports it",
              "`periprox capture --list` shows what `serve`, `attach` and `export` have");
}

Result<UniqueFd> watch(const WatchedDevice& device, std::uint32_t snap_length) {
  end_watch_on_signals();
  auto fd = ask(device.socket, "watch " + device.busid + " " + std::to_string(snap_length) + "\n");
  if (!fd) return fd;
  watched_socket = fd->get();
  if (watch_ended != 0) ::shutdown(fd->get(), SHUT_WR);  // It came before there was a socket.
  // A capture begins with the type of its first block; anything else is an answer in words.
  char first = 0;
  const auto count = becomes_readable(fd->get()) ? ::recv(fd->get(), &first, 1, MSG_PEEK) : 0;
  // Who ends it before anything was captured has an empty capture.
  if (count == 1 ? first == '\n' : watch_ended != 0) return fd;
  auto why = service::printable(read_answer(fd->get()), 512);
  if (why.starts_with("error ")) why.erase(0, 6);
  while (why.ends_with('?')) why.pop_back();  // The end of the line.
  return fail(Error::Kind::Failed, "cannot watch '" + device.busid + "'",
              why.empty() ? "its server does not answer" : why);
}

bool was_watch_ended() { return watch_ended != 0; }

}  // namespace periprox::app

// One record is one file, named by the bus id, of `name value...` lines that end with `end`.
#include "periprox/physical/claim_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "periprox/physical/locator.hpp"
#include "periprox/physical/sysfs.hpp"
#include "periprox/physical/usbfs.hpp"

namespace periprox::physical {
namespace {

constexpr std::string_view kFirstLine = "periprox claim 1\n";
constexpr std::size_t kMostBytes = 4096;

/// Opens and locks a record. An owner removes its record while it holds the lock, so the file that
/// was opened may not be the one of that name any more by the time the lock is there.
UniqueFd open_locked(const std::filesystem::path& path, int flags) {
  while (true) {
    UniqueFd fd(::open(path.c_str(), flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0660));
    if (!fd) return {};
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};  // errno is EWOULDBLOCK
    struct stat opened {};
    struct stat named {};
    if (::fstat(fd.get(), &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
        opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
      return fd;
    }
    if ((flags & O_CREAT) == 0) {
      errno = ENOENT;
      return {};
    }
  }
}

std::string read_all(int fd) {
  std::string text(kMostBytes, '\0');
  const auto count = ::pread(fd, text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

bool same_device(const ClaimNote& a, const ClaimNote& b) {
  return a.busid == b.busid && a.busnum == b.busnum && a.devnum == b.devnum &&
         a.idVendor == b.idVendor && a.idProduct == b.idProduct;
}

void add_missing(std::vector<std::uint8_t>& numbers, const std::vector<std::uint8_t>& more) {
  for (const std::uint8_t number : more) {
    if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) {
      numbers.push_back(number);
    }
  }
}

}  // namespace

std::string format_claim_note(const ClaimNote& note) {
  std::string text(kFirstLine);
  text += fmt::format("device {} {} {}\n", note.busid, note.busnum, note.devnum);
  text += fmt::format("id {:04x} {:04x}\n", note.idVendor, note.idProduct);
  text += fmt::format("configuration {}\n", note.configuration_value);
  for (const std::uint8_t number : note.driven) text += fmt::format("interface {}\n", number);
  return text + "end\n";
}

std::optional<ClaimNote> parse_claim_note(std::string_view text) {
  if (text.size() > kMostBytes || !text.starts_with(kFirstLine)) return std::nullopt;
  std::istringstream lines{std::string(text.substr(kFirstLine.size()))};
  ClaimNote note;
  std::string word;
  unsigned number = 0;
  unsigned vendor = 0;
  unsigned product = 0;
  if (!(lines >> word) || word != "device") return std::nullopt;
  if (!(lines >> note.busid >> note.busnum >> note.devnum)) return std::nullopt;
  if (!(lines >> word >> std::hex >> vendor >> product >> std::dec) || word != "id") return {};
  if (!(lines >> word >> number) || word != "configuration" || number > 255) return std::nullopt;
  if (vendor > 0xffff || product > 0xffff || !is_bus_id(note.busid)) return std::nullopt;
  note.idVendor = static_cast<std::uint16_t>(vendor);
  note.idProduct = static_cast<std::uint16_t>(product);
  note.configuration_value = static_cast<std::uint8_t>(number);
  while (lines >> word && word == "interface") {
    if (!(lines >> number) || number > 255) return std::nullopt;
    note.driven.push_back(static_cast<std::uint8_t>(number));
  }
  if (word != "end") return std::nullopt;
  return note;
}

ClaimRecord::ClaimRecord(std::filesystem::path path, UniqueFd locked)
    : path_(std::move(path)), locked_(std::move(locked)) {}

ClaimRecord::~ClaimRecord() { ::unlink(path_.c_str()); }

Result<std::unique_ptr<ClaimRecord>> ClaimJournal::record(ClaimNote note) const {
  std::error_code ignored;
  std::filesystem::create_directories(folder(), ignored);
  const auto path = folder() / note.busid;
  UniqueFd fd = open_locked(path, O_CREAT);
  if (!fd && errno == EWOULDBLOCK) {
    return fail(Error::Kind::Busy, "cannot take " + note.busid, "another periprox exports it");
  }
  if (!fd) {
    return tl::make_unexpected(
        errno_error(errno, "cannot record in " + folder().string() + " that a device is taken",
                    "create the folder and make it writable to this user"));
  }
  const auto before = parse_claim_note(read_all(fd.get()));
  if (before && same_device(*before, note)) add_missing(note.driven, before->driven);
  const std::string text = format_claim_note(note);
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const int number = errno;
    ::unlink(path.c_str());
    return tl::make_unexpected(errno_error(number, "cannot write " + path.string()));
  }
  return std::make_unique<ClaimRecord>(path, std::move(fd));
}

std::vector<ClaimJournal::Restored> ClaimJournal::restore_abandoned() const {
  std::vector<Restored> all;
  for (const auto& name : list_folder(folder())) {
    if (!is_bus_id(name)) continue;
    UniqueFd fd = open_locked(folder() / name, 0);
    if (!fd) continue;
    const auto note = parse_claim_note(read_all(fd.get()));
    if (note && note->busid == name) all.push_back(restore(*note));
    const ClaimRecord finished(folder() / name, std::move(fd));
  }
  return all;
}

ClaimJournal::Restored ClaimJournal::restore(const ClaimNote& note) const {
  Restored restored{note.busid, {}, {}};
  const auto device = paths_.usb_devices() / note.busid;
  const bool same = read_number(device / "busnum") == note.busnum &&
                    read_number(device / "devnum") == note.devnum &&
                    read_number(device / "idVendor", 16) == note.idVendor &&
                    read_number(device / "idProduct", 16) == note.idProduct;
  if (!same) return restored;
  const auto configuration = [&] {
    return read_number(device / "bConfigurationValue").value_or(0);
  };
  auto usbfs = open_usbfs(node_path(paths_, note.busnum, note.devnum));
  if (usbfs && configuration() != note.configuration_value) {
    (void)(*usbfs)->set_configuration(note.configuration_value);
  }
  for (const std::uint8_t number : note.driven) {
    const auto name = fmt::format("{}:{}.{}", note.busid, configuration(), number);
    const auto has_driver = [&] {
      return link_name(paths_.usb_devices() / name / "driver").has_value();
    };
    if (!has_driver() && usbfs) (void)(*usbfs)->connect_driver(number);
    if (!has_driver()) (void)write_attribute(paths_.sys / "bus/usb/drivers_probe", name);
    (has_driver() ? restored.interfaces : restored.left).push_back(number);
  }
  return restored;
}

}  // namespace periprox::physical

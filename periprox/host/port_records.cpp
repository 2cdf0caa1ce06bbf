// A record is `name value` lines that end with `end`; a value goes to the end of its line, and has
// no control characters.
#include "periprox/host/port_records.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <sstream>

#include "periprox/base/unique_fd.hpp"
#include "periprox/physical/sysfs.hpp"

namespace periprox::host {
namespace {

using physical::parse_number;

constexpr std::string_view kFirstLine = "periprox port 1";
constexpr std::size_t kMostBytes = 8192;
// What stock `usbip port` has room for (tools/usb/usbip/libsrc/vhci_driver.c, read_record()).
constexpr std::size_t kLongestHost = 1024;
constexpr std::size_t kLongestService = 31;
constexpr std::size_t kLongestBusId = 31;

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return line;
}

std::string word(std::string_view text, std::size_t longest) {
  std::string result = one_line(text.substr(0, longest));
  std::replace(result.begin(), result.end(), ' ', '_');
  return result.empty() ? "-" : result;
}

/// Written beside its place and moved there: a reader sees all of it or nothing.
bool write_whole(const std::filesystem::path& path, std::string_view text) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  auto draft = path;
  draft += fmt::format(".{}", ::getpid());
  const UniqueFd fd(
      ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return false;
  const bool written =
      ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (written) std::filesystem::rename(draft, path, error);
  if (!written || error) ::unlink(draft.c_str());
  return written && !error;
}

bool is_alive(pid_t process) { return ::kill(process, 0) == 0 || errno == EPERM; }

}  // namespace

std::string format_port_origin(const PortOrigin& origin) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(origin.since.time_since_epoch()).count();
  return fmt::format(
      "{}\nlocator {}\nname {}\nvendor {:04x}\nproduct {:04x}\nprocess {}\n"
      "devid {:08x}\nsince {}\nend\n",
      kFirstLine, one_line(origin.locator), one_line(origin.name), origin.idVendor,
      origin.idProduct, origin.process, origin.devid, seconds);
}

std::optional<PortOrigin> parse_port_origin(std::string_view text) {
  if (text.size() > kMostBytes) return std::nullopt;
  std::istringstream lines{std::string(text)};
  std::string line;
  if (!std::getline(lines, line) || line != kFirstLine) return std::nullopt;
  std::map<std::string, std::string, std::less<>> values;
  bool whole = false;
  while (!whole && std::getline(lines, line)) {
    const auto blank = line.find(' ');
    whole = line == "end";
    if (!whole && blank != std::string::npos) {
      values[line.substr(0, blank)] = line.substr(blank + 1);
    }
  }
  const auto vendor = parse_number(values["vendor"], 16);
  const auto product = parse_number(values["product"], 16);
  const auto process = parse_number(values["process"]);
  const auto devid = parse_number(values["devid"], 16);
  const auto since = parse_number(values["since"]);
  if (!whole || !vendor || !product || !process || !devid || !since) return std::nullopt;
  if (*vendor > 0xffff || *product > 0xffff || *process > 0x7fffffff) return std::nullopt;
  return PortOrigin{.locator = values["locator"],
                    .name = values["name"],
                    .idVendor = static_cast<std::uint16_t>(*vendor),
                    .idProduct = static_cast<std::uint16_t>(*product),
                    .process = static_cast<pid_t>(*process),
                    .devid = *devid,
                    .since = std::chrono::system_clock::time_point(std::chrono::seconds(*since))};
}

std::string format_stock_origin(const StockOrigin& origin) {
  return word(origin.host, kLongestHost) + ' ' + word(origin.port, kLongestService) + ' ' +
         word(origin.busid, kLongestBusId) + '\n';
}

std::optional<StockOrigin> parse_stock_origin(std::string_view text) {
  if (text.size() > kMostBytes) return std::nullopt;
  std::istringstream words{std::string(text)};
  StockOrigin origin;
  if (!(words >> origin.host >> origin.port >> origin.busid)) return std::nullopt;
  return origin;
}

bool PortRecords::write(unsigned port, const PortOrigin& origin, const StockOrigin& stock) const {
  const bool ours = write_whole(ours_ / std::to_string(port), format_port_origin(origin));
  return write_whole(stock_ / fmt::format("port{}", port), format_stock_origin(stock)) && ours;
}

void PortRecords::remove(unsigned port) const {
  std::error_code ignored;
  std::filesystem::remove(ours_ / std::to_string(port), ignored);
  std::filesystem::remove(stock_ / fmt::format("port{}", port), ignored);
  std::filesystem::remove(unplug_socket(port), ignored);
}

std::filesystem::path PortRecords::unplug_socket(unsigned port) const {
  return ours_ / fmt::format("{}.unplug", port);
}

std::optional<PortOrigin> PortRecords::read(unsigned port, std::uint32_t devid) const {
  const auto text = physical::read_file(ours_ / std::to_string(port), kMostBytes);
  if (!text) return std::nullopt;
  auto origin = parse_port_origin(*text);
  if (!origin || origin->devid != devid) return std::nullopt;
  if (origin->process != 0 && !is_alive(origin->process)) return std::nullopt;
  return origin;
}

std::optional<StockOrigin> PortRecords::read_stock(unsigned port) const {
  const auto text = physical::read_file(stock_ / fmt::format("port{}", port), kMostBytes);
  return text ? parse_stock_origin(*text) : std::nullopt;
}

}  // namespace periprox::host

#include "periprox/physical/sysfs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "periprox/base/unique_fd.hpp"

namespace periprox::physical {
namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

}  // namespace

std::optional<std::string> read_file(const std::filesystem::path& path, std::size_t most) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string bytes;
  std::array<char, 4096> part{};
  while (bytes.size() < most) {
    const auto count = ::read(fd.get(), part.data(), std::min(part.size(), most - bytes.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) break;
    bytes.append(part.data(), static_cast<std::size_t>(count));
  }
  return bytes;
}

std::optional<std::string> read_attribute(const std::filesystem::path& path) {
  auto text = read_file(path);
  if (text) text->resize(std::min(text->find('\n'), text->size()));
  return text;
}

std::optional<std::uint32_t> parse_number(std::string_view text, int base) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::uint32_t> read_number(const std::filesystem::path& path, int base) {
  const auto text = read_attribute(path);
  return text ? parse_number(trim(*text), base) : std::nullopt;
}

std::optional<std::string> link_name(const std::filesystem::path& link) {
  std::array<char, 4096> target{};
  const auto count = ::readlink(link.c_str(), target.data(), target.size());
  if (count <= 0) return std::nullopt;
  const std::string_view text(target.data(), static_cast<std::size_t>(count));
  return std::string(text.substr(text.rfind('/') + 1));
}

std::vector<std::string> list_folder(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), ::closedir);
  if (!open) return names;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

int write_attribute(const std::filesystem::path& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno;
  return ::write(fd.get(), text.data(), text.size()) < 0 ? errno : 0;
}

}  // namespace periprox::physical

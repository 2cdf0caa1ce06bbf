// Reading single attributes of sysfs. An attribute that is missing, or whose device went away while
// it was read, is an empty optional: on a live system that is no error.
#pragma once

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace periprox::physical {

/// The bytes of a file, at most `most`; empty when it cannot be read.
[[nodiscard]] std::optional<std::string> read_file(const std::filesystem::path& path,
                                                   std::size_t most = std::size_t{64} << 10);
/// The first line of an attribute, without its end.
[[nodiscard]] std::optional<std::string> read_attribute(const std::filesystem::path& path);
/// A number that fills the whole attribute, blanks around it apart.
[[nodiscard]] std::optional<std::uint32_t> read_number(const std::filesystem::path& path,
                                                       int base = 10);
/// A number that fills the whole text, without sign or prefix.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text, int base = 10);
/// The last component of what a symbolic link points to: the name of a driver or subsystem.
[[nodiscard]] std::optional<std::string> link_name(const std::filesystem::path& link);
/// The names in a folder, sorted; empty when it cannot be read.
[[nodiscard]] std::vector<std::string> list_folder(const std::filesystem::path& folder);
/// Writes to an attribute; 0 or an errno.
[[nodiscard]] int write_attribute(const std::filesystem::path& path, std::string_view text);

}  // namespace periprox::physical

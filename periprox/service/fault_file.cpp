// A table becomes the text of a rule, so that there is one place that knows what a rule may say.
#include "periprox/service/fault_file.hpp"

#include <filesystem>
#include <system_error>
#include <utility>

// The library's own macro for a build without exceptions out of its parser.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace periprox::service {
namespace {

constexpr std::uintmax_t kLargestFile = 1 << 20;

tl::unexpected<Error> wrong(const std::string& path, std::string why) {
  return fail(
      Error::Kind::Usage, "cannot read the faults in " + path, std::move(why),
      "a rule is a table: [[fault]], then stall = true and ep = 0x81 on lines of their own");
}

/// "key=value", or "key" for true; empty for a value that no rule can have.
std::optional<std::string> word_of(std::string_view key, const toml::node& value) {
  const std::string name(key);
  if (const auto flag = value.value_exact<bool>()) {
    if (*flag) return name;
    return std::nullopt;
  }
  if (const auto number = value.value_exact<std::int64_t>())
    return name + "=" + std::to_string(*number);
  if (const auto number = value.value_exact<double>()) {
    std::string digits(64, '\0');
    digits.resize(
        static_cast<std::size_t>(std::snprintf(digits.data(), digits.size(), "%.9f", *number)));
    return name + "=" + digits;
  }
  const auto text = value.value_exact<std::string_view>();
  if (!text || text->find(',') != std::string_view::npos) return std::nullopt;
  return name + "=" + std::string(*text);
}

}  // namespace

Result<FaultFile> read_fault_file(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return wrong(path, error.message());
  if (size > kLargestFile) return wrong(path, "it is larger than 1 MiB");
  const auto parsed = toml::parse_file(path);
  if (!parsed) {
    return wrong(path, "line " + std::to_string(parsed.error().source().begin.line) + ": " +
                           std::string(parsed.error().description()));
  }
  FaultFile file;
  for (const auto& [key, value] : parsed.table()) {
    if (key == "seed" && value.is_integer()) {
      file.seed = static_cast<std::uint64_t>(value.as_integer()->get());
    } else if (key != "fault" || !value.is_array_of_tables()) {
      return wrong(path,
                   "'" + std::string(key.str()) + "' is neither a seed nor a [[fault]] table");
    }
  }
  const auto* faults = parsed["fault"].as_array();
  for (std::size_t i = 0; faults != nullptr && i < faults->size(); ++i) {
    std::string rule;
    for (const auto& [key, value] : *faults->get_as<toml::table>(i)) {
      const auto word = word_of(key.str(), value);
      if (!word) return wrong(path, "the value of '" + std::string(key.str()) + "' makes no sense");
      rule += (rule.empty() ? "" : ",") + *word;
    }
    file.rules.push_back(std::move(rule));
  }
  return file;
}

}  // namespace periprox::service

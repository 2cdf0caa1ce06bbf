#include "periprox/app/highlight.hpp"

#include <cstdlib>

namespace periprox::app {
namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kFaint = "\x1b[2m";
constexpr std::string_view kPlain = "\x1b[0m";

std::size_t indent_of(std::string_view line) {
  const auto indent = line.find_first_not_of(' ');
  return indent == std::string_view::npos ? line.size() : indent;
}

/// Where the third column starts, if there is one.
std::size_t note_start(std::string_view line) {
  auto place = indent_of(line);
  for (int column = 0; column < 2; ++column) {
    const auto gap = line.find("  ", place);
    if (gap == std::string_view::npos) return line.size();
    place = gap + indent_of(line.substr(gap));
  }
  return place;
}

}  // namespace

bool wants_colour(const Output& output) {
  const char* no_colour = std::getenv("NO_COLOR");
  return output.is_terminal() && (no_colour == nullptr || *no_colour == '\0');
}

std::string highlight(std::string_view text) {
  std::string coloured;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto next = text.substr(0, text.find('\n'));
    const bool heads_block = indent_of(next) > indent_of(line);
    const auto note = note_start(line);
    if (heads_block) coloured += kBold;
    coloured += line.substr(0, note);
    if (heads_block) coloured += kPlain;
    if (note < line.size()) {
      coloured += kFaint;
      coloured += line.substr(note);
      coloured += kPlain;
    }
    coloured += '\n';
  }
  return coloured;
}

}  // namespace periprox::app

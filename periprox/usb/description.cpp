#include "periprox/usb/description.hpp"

#include <algorithm>
#include <utility>

namespace periprox::usb {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
// A longer value (bytes in hexadecimal, a sentence) stands outside of the columns of its siblings.
constexpr std::size_t kWidestValueColumn = 10;

/// Decodes nothing but what is looked for: the two- and three-byte forms of UTF-8.
struct Letter {
  char32_t point;
  std::size_t size;
};
Letter letter_at(std::string_view text, std::size_t place) {
  const auto byte = [&](std::size_t i) -> char32_t {
    return place + i < text.size() ? static_cast<unsigned char>(text[place + i]) : 0;
  };
  const auto is_tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  if ((byte(0) & 0xe0) == 0xc0 && is_tail(1)) return {(byte(0) & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if ((byte(0) & 0xf0) == 0xe0 && is_tail(1) && is_tail(2)) {
    return {(byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  }
  return {byte(0), 1};
}

/// Controls (C0, DEL, C1), line separators, and the marks that turn the writing direction around.
bool steers_terminal(Letter letter) {
  const auto point = letter.point;
  // A lone byte of 0x80 or more is part of a longer sequence, or malformed, not a C1 control.
  if (letter.size == 1) return point < 0x20 || point == 0x7f;
  return (point >= 0x80 && point < 0xa0) || point == 0x061c || point == 0x200e || point == 0x200f ||
         (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

std::string printable(std::string_view text) {
  std::string safe;
  for (std::size_t place = 0; place < text.size();) {
    const auto letter = letter_at(text, place);
    if (steers_terminal(letter)) {
      safe += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) safe += kDigits[(letter.point >> shift) & 0xf];
    } else {
      safe += text.substr(place, letter.size);
    }
    place += letter.size;
  }
  return safe;
}

bool stands_in_columns(const DescriptionNode& node) {
  return node.children.empty() && node.value.size() <= kWidestValueColumn;
}

struct Columns {
  std::size_t name = 0;
  std::size_t value = 0;
};

Columns columns_of(const std::vector<DescriptionNode>& siblings) {
  Columns columns;
  for (const auto& node : siblings) {
    if (!stands_in_columns(node)) continue;
    columns.name = std::max(columns.name, node.name.size());
    if (!node.note.empty()) columns.value = std::max(columns.value, node.value.size());
  }
  return columns;
}

void pad(std::string& line, std::size_t start, std::size_t width) {
  if (line.size() < start + width) line.append(start + width - line.size(), ' ');
}

void render(const DescriptionNode& node, std::size_t depth, Columns columns, std::string& text) {
  std::string line(2 * depth, ' ');
  line += printable(node.name);
  const bool in_columns = stands_in_columns(node);
  if (in_columns) pad(line, 2 * depth, columns.name);
  if (!node.value.empty() || !node.note.empty()) {
    line += node.children.empty() ? "  " : " ";
    const auto start = line.size();
    line += printable(node.value);
    if (in_columns && !node.note.empty()) pad(line, start, columns.value);
  }
  if (!node.note.empty()) line += "  " + printable(node.note);
  line.erase(line.find_last_not_of(' ') + 1);
  text += line + '\n';
  const auto inner = columns_of(node.children);
  for (const auto& child : node.children) render(child, depth + 1, inner, text);
}

}  // namespace

DescriptionNode& DescriptionNode::add(std::string child_name, std::string child_value,
                                      std::string child_note) {
  return children.emplace_back(
      DescriptionNode{std::move(child_name), std::move(child_value), std::move(child_note), {}});
}

const DescriptionNode* DescriptionNode::find(std::string_view child_name) const {
  const auto found = std::ranges::find(children, child_name, &DescriptionNode::name);
  return found == children.end() ? nullptr : &*found;
}

std::string render_text(const DescriptionNode& root) {
  std::string text;
  render(root, 0, {}, text);
  return text;
}

}  // namespace periprox::usb

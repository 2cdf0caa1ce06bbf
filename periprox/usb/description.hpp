// A description is a tree of labelled values: rendered as text for people, walked by whoever makes
// something else of it (JSON, a table).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace periprox::usb {

/// One labelled value and what belongs to it. Texts are UTF-8 and may hold what a device sent as
/// its strings, control characters included.
struct DescriptionNode {
  std::string name;   ///< A field of the standard ("bInterval"), or what the children describe.
  std::string value;  ///< As the standard writes it: "0x81", "2.00", "8".
  std::string note;   ///< What the value means: "1 IN", "10 ms"; may be empty.
  std::vector<DescriptionNode> children;

  /// Appends a child and returns it; the reference is valid until the next child is added.
  DescriptionNode& add(std::string child_name, std::string child_value = {},
                       std::string child_note = {});
  /// The first child of that name, or null.
  [[nodiscard]] const DescriptionNode* find(std::string_view child_name) const;
};

/// The tree as indented lines, values and notes in columns, each line ended by '\n'. Characters
/// that a terminal would obey (controls, changes of writing direction) are written as \u001b.
[[nodiscard]] std::string render_text(const DescriptionNode& root);

}  // namespace periprox::usb

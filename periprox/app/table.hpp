// Text in columns.
#pragma once

#include <string>
#include <vector>

namespace periprox::app {

/// Rows of cells, aligned to the left. Cells are made printable.
class Table final {
 public:
  /// `heads` may be empty: then there is no first line.
  explicit Table(std::vector<std::string> heads);
  void add(std::vector<std::string> cells);
  /// Each row a line with its end; no blanks at the ends of lines.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace periprox::app

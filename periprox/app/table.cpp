#include "periprox/app/table.hpp"

#include <algorithm>
#include <utility>

#include "periprox/service/printable.hpp"

namespace periprox::app {

Table::Table(std::vector<std::string> heads) {
  if (!heads.empty()) rows_.push_back(std::move(heads));
}

void Table::add(std::vector<std::string> cells) {
  for (auto& cell : cells) cell = service::printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    std::size_t column_end = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (widths[i] == 0) continue;
      column_end += widths[i] + 2;
      line.append(column_end - line.size(), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace periprox::app

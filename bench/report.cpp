#include "bench/report.hpp"

#include <fmt/format.h>

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace periprox::bench {
namespace {

std::string text_of(const Bar& bar) {
  switch (bar.of) {
    case Bar::Of::Nothing:
      return {};
    case Bar::Of::RatioAtMost:
      return fmt::format("<= {:.2f}x", bar.limit);
    case Bar::Of::RatioAtLeast:
      return fmt::format(">= {:.2f}x", bar.limit);
    case Bar::Of::Below:
      return fmt::format("< {:.0f}", bar.limit);
    case Bar::Of::Above:
      return fmt::format("> {:.0f}", bar.limit);
  }
  return {};
}

bool is_met(const Row& row) {
  switch (row.bar.of) {
    case Bar::Of::Nothing:
      return true;
    case Bar::Of::RatioAtMost:
      return row.ratio <= row.bar.limit;
    case Bar::Of::RatioAtLeast:
      return row.ratio >= row.bar.limit;
    case Bar::Of::Below:
      return row.ours < row.bar.limit;
    case Bar::Of::Above:
      return row.ours > row.bar.limit;
  }
  return false;
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void Bench::compare(const std::string& name, const std::string& unit,
                    const std::function<double()>& bare, const std::function<double()>& ours,
                    double bound, bool at_most) {
  if (!wants(name)) return;
  std::vector<double> bare_figures;
  std::vector<double> our_figures;
  for (int round = 0; round < options_.rounds; ++round) {
    bare_figures.push_back(bare());
    our_figures.push_back(ours());
  }
  add({.name = name,
       .unit = unit,
       .bare = median(bare_figures),
       .ours = median(our_figures),
       .bar = {at_most ? Bar::Of::RatioAtMost : Bar::Of::RatioAtLeast, bound}});
}

void Bench::bound(const std::string& name, const std::string& unit,
                  const std::function<double()>& ours, double limit) {
  if (!wants(name)) return;
  add({.name = name, .unit = unit, .ours = ours(), .bar = {Bar::Of::Below, limit}});
}

void Bench::add(Row row) {
  row.ratio = row.bare == 0 ? 0 : row.ours / row.bare;
  row.bar_text = text_of(row.bar);
  row.met = is_met(row);
  if (!options_.json) {
    if (rows_.empty())
      fmt::print("{:<44} {:>10} {:>10} {:<8} {:>7}  {}\n", "", "bare", "ours", "", "ratio", "bar");
    const auto bare = row.bare == 0 ? std::string("-") : fmt::format("{:.2f}", row.bare);
    const auto ratio = row.bare == 0 ? std::string("-") : fmt::format("{:.2f}x", row.ratio);
    const auto* const verdict = row.bar.of == Bar::Of::Nothing ? "" : row.met ? " met" : " MISSED";
    fmt::print("{:<44} {:>10} {:>10.2f} {:<8} {:>7}  {}{}\n", row.name, bare, row.ours, row.unit,
               ratio, row.bar_text, verdict);
    std::fflush(stdout);
  }
  rows_.push_back(std::move(row));
}

std::size_t Bench::scaled(std::size_t count) const {
  return std::max<std::size_t>(
      64, static_cast<std::size_t>(static_cast<double>(count) * options_.scale));
}

int Bench::finish() const {
  if (options_.json) {
    auto rows = nlohmann::json::array();
    for (const auto& row : rows_) {
      rows.push_back({{"name", row.name},
                      {"unit", row.unit},
                      {"bare", row.bare},
                      {"ours", row.ours},
                      {"ratio", row.ratio},
                      {"bar", row.bar_text},
                      {"met", row.met}});
    }
    fmt::print("{}\n", rows.dump(2));
  }
  const auto missed =
      std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return !row.met; });
  if (missed > 0) fmt::print(stderr, "{} of {} bars missed\n", missed, rows_.size());
  return missed == 0 ? 0 : 1;
}

}  // namespace periprox::bench

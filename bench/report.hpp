// The table: each row is measured in several rounds, bare and ours alternating; the ratio is that
// of the medians, so that whatever else the machine does hits both alike.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace periprox::bench {

struct Options {
  bool json = false;
  int rounds = 7;
  double scale = 1;
  std::string filter;
};

/// What a row must satisfy.
struct Bar {
  enum class Of { Nothing, RatioAtMost, RatioAtLeast, Below, Above } of = Of::Nothing;
  double limit = 0;
};

struct Row {
  std::string name;
  std::string unit;
  double bare = 0;  ///< 0: nothing to compare with.
  double ours = 0;
  Bar bar{};
  double ratio = 0;        ///< Filled in by add().
  bool met = true;         ///< The same.
  std::string bar_text{};  ///< The same.
};

[[nodiscard]] double median(std::vector<double> values);

/// CPU seconds of the whole process so far, both ends of every connection.
[[nodiscard]] double cpu_seconds();

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)) {}

  /// `bare` and `ours` give the figure of one round.
  void compare(const std::string& name, const std::string& unit,
               const std::function<double()>& bare, const std::function<double()>& ours,
               double bound, bool at_most);
  /// A figure with a fixed bound and nothing to compare with.
  void bound(const std::string& name, const std::string& unit, const std::function<double()>& ours,
             double limit);
  /// A row whose figures were taken already.
  void add(Row row);

  /// Whether rows of this name were asked for.
  [[nodiscard]] bool wants(const std::string& name) const {
    return name.find(options_.filter) != std::string::npos;
  }
  [[nodiscard]] int rounds() const { return options_.rounds; }
  [[nodiscard]] std::size_t scaled(std::size_t count) const;

  /// Prints what is left to print; the exit status.
  [[nodiscard]] int finish() const;

 private:
  Options options_;
  std::vector<Row> rows_;
};

}  // namespace periprox::bench

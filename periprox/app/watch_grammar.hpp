// The part of the command line's grammar that is about watching what others do.
#pragma once

#include <optional>

#include "periprox/app/options.hpp"
#include "periprox/base/result.hpp"

namespace CLI {
class App;
}

namespace periprox::app {

/// The verb capture, and the one that Wireshark calls.
class WatchGrammar final {
 public:
  /// Adds the verbs to `app`, which outlives this.
  void describe(CLI::App& app);
  /// What was asked for, if it was one of these verbs.
  [[nodiscard]] std::optional<Result<Options>> options() const;

 private:
  void describe_extcap(CLI::App& app);

  const CLI::App* capture_ = nullptr;
  const CLI::App* extcap_ = nullptr;
  CaptureOptions capture_words_;
  ExtcapOptions extcap_words_;
};

}  // namespace periprox::app

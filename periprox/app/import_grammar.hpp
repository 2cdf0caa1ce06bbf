// The part of the command line's grammar that is about this machine's virtual ports, and `export`.
#pragma once

#include <optional>
#include <string>

#include "periprox/app/options.hpp"
#include "periprox/base/result.hpp"

namespace CLI {
class App;
}

namespace periprox::app {

/// The verbs attach, detach, ports and export.
class ImportGrammar final {
 public:
  /// Adds the verbs to `app`, which outlives this. `devices` explains the locators.
  void describe(CLI::App& app, const std::string& devices);
  /// What was asked for, if it was one of these verbs.
  [[nodiscard]] std::optional<Result<Options>> options() const;

 private:
  [[nodiscard]] Result<Options> attach_options() const;
  [[nodiscard]] Result<Options> detach_options() const;

  const CLI::App* attach_ = nullptr;
  const CLI::App* detach_ = nullptr;
  const CLI::App* ports_ = nullptr;
  const CLI::App* export_ = nullptr;
  AttachOptions attach_words_;
  DetachOptions detach_words_;
  PortsOptions ports_words_;
  ExportOptions export_words_;
  std::string attach_wait_;
  std::string detach_wait_;
  std::string silence_;
};

}  // namespace periprox::app

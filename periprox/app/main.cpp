// The periprox program: read the command line, run one verb, turn its result into an exit code.
#include <unistd.h>

#include <csignal>

#include "periprox/app/command_line.hpp"
#include "periprox/app/output.hpp"
#include "periprox/app/verbs.hpp"

namespace {

using namespace periprox;  // NOLINT(google-build-using-namespace): the program's own

struct Run {
  app::Output& output;
  Result<void> operator()(const app::ServeOptions& options) const { return serve(options, output); }
  Result<void> operator()(const app::ListOptions& options) const { return list(options, output); }
  Result<void> operator()(const app::ShowOptions& options) const { return show(options, output); }
  Result<void> operator()(const app::TransferOptions& options) const {
    return transfer(options, output);
  }
  Result<void> operator()(const app::InspectOptions& options) const {
    return inspect(options, output);
  }
  Result<void> operator()(const app::CaptureOptions& options) const {
    return capture(options, output);
  }
  Result<void> operator()(const app::ExtcapOptions& options) const {
    return extcap(options, output);
  }
  Result<void> operator()(const app::AttachOptions& options) const {
    return attach(options, output);
  }
  Result<void> operator()(const app::DetachOptions& options) const {
    return detach(options, output);
  }
  Result<void> operator()(const app::PortsOptions& options) const { return ports(options, output); }
  Result<void> operator()(const app::ExportOptions& options) const {
    return export_device(options);
  }
  Result<void> operator()(const app::CheckOptions& options) const { return check(options, output); }
};

/// Standard output, unless a capture is written to it.
int results_descriptor(const Result<app::Command>& command) {
  const auto* options = command ? std::get_if<app::Options>(&*command) : nullptr;
  const auto takes_it = [](const auto& verb) {
    if constexpr (requires { verb.stages; }) {
      return verb.stages.takes_standard_output();
    } else {
      return false;
    }
  };
  const bool is_taken = options != nullptr && std::visit(takes_it, *options);
  return is_taken ? STDERR_FILENO : STDOUT_FILENO;
}

bool wants_json(const app::Options& options) {
  return std::visit([](const auto& verb) { return verb.json; }, options);
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away (| head) is noticed where the output is written.
  std::signal(SIGPIPE, SIG_IGN);
  auto command = app::parse_command_line(argc, argv);
  app::Output output(results_descriptor(command));
  bool json = false;
  Result<void> done;
  if (!command) {
    done = forward_error(command);
  } else if (const auto* text = std::get_if<std::string>(&*command)) {
    done = output.write(*text);
  } else {
    const auto& options = std::get<app::Options>(*command);
    json = wants_json(options);
    done = std::visit(Run{output}, options);
  }
  if (done) return 0;
  app::print_error(done.error(), json);
  return app::exit_code(done.error());
}

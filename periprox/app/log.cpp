#include "periprox/app/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace periprox::app {
namespace {

spdlog::level::level_enum library_level(LogLevel level) {
  switch (level) {
    case LogLevel::Detail:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warning:
      return spdlog::level::warn;
    case LogLevel::Nothing:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

}  // namespace

void start_log(LogLevel least) {
  auto logger = std::make_shared<spdlog::logger>(
      "periprox", std::make_shared<spdlog::sinks::stderr_color_sink_st>());
  logger->set_pattern("%H:%M:%S.%e %^%l%$ %v");
  logger->set_level(library_level(least));
  // A log that cannot be written is no reason to stop, and there is nowhere to say so.
  logger->set_error_handler([](const std::string&) {});
  spdlog::set_default_logger(std::move(logger));
}

void log_line(LogLevel level, std::string_view text) {
  spdlog::default_logger_raw()->log(library_level(level), "{}", text);
}

}  // namespace periprox::app

// periprox inspect: a capture as a timeline with figures at its end.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>
#include <memory>

#include "periprox/app/compare_traces.hpp"
#include "periprox/app/endpoint_figures.hpp"
#include "periprox/app/highlight.hpp"
#include "periprox/app/json.hpp"
#include "periprox/app/traced_text.hpp"
#include "periprox/app/verbs.hpp"
#include "periprox/app/watched.hpp"
#include "periprox/recorded/trace_file.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/usb/hex_text.hpp"

namespace periprox::app {
namespace {

using recorded::TracedAddress;
using recorded::TracedTransfer;
using usb::TransferType;

constexpr std::size_t kFlushSize = std::size_t{64} << 10;
constexpr std::uint64_t kLongFile = std::uint64_t{8} << 20;
constexpr auto kFollowPause = std::chrono::milliseconds(50);

volatile std::sig_atomic_t interrupted = 0;

struct Colours {
  std::string_view bold, faint, red, green, plain;
};
constexpr Colours kColours{"\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[36m", "\x1b[0m"};
constexpr Colours kNoColours{};

/// Draws how far a long file is read, on a terminal's standard error.
class Progress {
 public:
  Progress(std::uint64_t size, bool is_wanted)
      : size_(is_wanted && size >= kLongFile && ::isatty(STDERR_FILENO) == 1 ? size : 0) {}
  ~Progress() {
    if (shown_ >= 0) fmt::print(stderr, "\r\x1b[K");
  }
  void show(std::uint64_t read) {
    if (size_ == 0) return;
    const auto percent = static_cast<int>(read * 100 / size_);
    if (percent == shown_) return;
    shown_ = percent;
    const auto width = static_cast<std::size_t>(percent * 40 / 100);
    fmt::print(stderr, "\r[{:<40}] {:>3} %", std::string(std::min<std::size_t>(width, 40), '='),
               percent);
  }

 private:
  std::uint64_t size_;
  int shown_ = -1;
};

class Inspecting {
 public:
  Inspecting(const InspectOptions& options, Output& output)
      : options_(options), output_(output), colour_(wants_colour(output) ? kColours : kNoColours) {}

  /// `may_grow`: more may come where the file ends now.
  Result<void> run(recorded::TraceFile& file, bool may_grow) {
    // A line that is being printed is waited for elsewhere; who draws a bar prints no lines.
    Progress progress(file.size(), options_.summary || !output_.is_terminal());
    while (interrupted == 0 && !output_.is_closed()) {
      auto packet = file.next(may_grow);
      if (!packet) {
        static_cast<void>(flush());
        return forward_error(packet);
      }
      if (*packet) {
        if (auto done = take(**packet, file.reader()); !done) return done;
        progress.show(file.bytes_read());
        continue;
      }
      if (!may_grow || file.has_ended()) break;
      if (auto done = flush(); !done) return done;
      file.wait(kFollowPause);
    }
    for (const auto& transfer : pairing_.unfinished()) add_line(transfer);
    finish(file.reader().dropped());
    return flush();
  }

 private:
  struct Subject {
    TracedSubject words;
    std::map<std::uint8_t, EndpointFigures> figures;
    std::string name;
    bool is_introduced = false;
  };

  Result<void> take(const wire::CapturedPacket& packet, const wire::CaptureReader& reader) {
    if (start_ == 0) start_ = packet.time;
    if (packet.dropped > 0 && wants_lines()) {
      text_ += fmt::format("{}{} records are missing here{}\n", colour_.red, packet.dropped,
                           colour_.plain);
    }
    const auto* transfer = pairing_.add(packet);
    if (transfer == nullptr) return {};
    auto& subject = subjects_[transfer->address];
    if (subject.name.empty()) subject.name = name_of(transfer->address, reader);
    const bool is_new = subject.words.learn(*transfer);
    if (!fits(*transfer)) return {};
    if (!transfer->is_synthesised) subject.figures[place_of(*transfer)].add(*transfer);
    if (wants_lines() || options_.json) {
      introduce(subject);
      add_line(*transfer);
      if (is_new && wants_lines()) add_descriptor(subject.words.descriptor_text(*transfer));
    }
    return text_.size() < kFlushSize ? Result<void>{} : flush();
  }

  static std::uint8_t place_of(const TracedTransfer& transfer) {
    return transfer.endpoint.number() == 0 ? 0 : transfer.endpoint.value();
  }

  [[nodiscard]] bool wants_lines() const { return !options_.summary && !options_.json; }

  [[nodiscard]] double seconds(std::uint64_t time) const {
    return static_cast<double>(static_cast<std::int64_t>(time - start_)) / 1e9;
  }

  [[nodiscard]] bool fits(const TracedTransfer& transfer) const {
    if (options_.errors && !is_error(transfer) && transfer.comments.empty()) return false;
    if (options_.type && transfer.type != *options_.type) return false;
    if (options_.endpoint) {
      const bool same = options_.endpoint->number() == 0 ? transfer.endpoint.number() == 0
                                                         : transfer.endpoint == *options_.endpoint;
      if (!same) return false;
    }
    const auto time = seconds(transfer.submitted);
    return time >= options_.from && time <= options_.until;
  }

  static std::string name_of(const TracedAddress& address, const wire::CaptureReader& reader) {
    const auto& interface = reader.interfaces()[address.interface_id];
    auto name = fmt::format("{}.{}", address.bus, address.device);
    if (!interface.name.empty()) name += " on " + service::printable(interface.name, 64);
    return name;
  }

  void introduce(Subject& subject) {
    const auto* model = subject.words.device().model();
    if (subject.is_introduced || model == nullptr || options_.json) return;
    subject.is_introduced = true;
    auto line =
        fmt::format("{}device {}: {}", colour_.bold, subject.name,
                    usb::ids_text(model->descriptor().idVendor, model->descriptor().idProduct));
    for (const auto* name : {&model->manufacturer, &model->product}) {
      if (!name->empty()) line += "  " + service::printable(*name);
    }
    text_ += line + std::string(colour_.plain) + "\n";
  }

  void add_line(const TracedTransfer& transfer) {
    if (!fits(transfer)) return;
    const auto& subject = subjects_[transfer.address];
    auto meaning = subject.words.text(transfer);
    if (options_.json) {
      text_ += traced_json(transfer, seconds(transfer.submitted), meaning);
      return;
    }
    if (!wants_lines()) return;
    const bool is_pending = transfer.completed == 0;
    const bool is_bad = !is_pending && is_error(transfer);
    const auto status = is_pending ? "pending" : usb::status_name(transfer.status);
    const auto took = is_pending ? std::string("-") : time_text(transfer.latency());
    text_ += fmt::format(
        "{}{:>12.6f}{} {:>3}.{:<3} {:02x} {:<3} {:<11} {:>7} {}{:<9}{} {}{:>8}{}  {}{}{}\n",
        colour_.faint, seconds(transfer.submitted), colour_.plain, transfer.address.bus,
        transfer.address.device, transfer.endpoint.value(), transfer.is_in() ? "in" : "out",
        usb::transfer_type_name(transfer.type),
        is_pending ? transfer.length : transfer.actual_length, is_bad ? colour_.red : "", status,
        colour_.plain, colour_.faint, took, colour_.plain,
        transfer.is_synthesised ? colour_.faint : "", meaning, colour_.plain);
    for (const auto& comment : transfer.comments) {
      text_ += fmt::format("{:>13}{}{}{}\n", "", colour_.green, service::printable(comment, 512),
                           colour_.plain);
    }
  }

  void add_descriptor(std::string_view lines) {
    while (!lines.empty()) {
      const auto line = lines.substr(0, lines.find('\n'));
      text_ += fmt::format("{:>13}{}{}{}\n", "", colour_.faint, line, colour_.plain);
      lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    }
  }

  void finish(std::uint64_t dropped) {
    for (auto& [address, subject] : subjects_) {
      if (options_.json) {
        for (const auto& [endpoint, figures] : subject.figures)
          text_ += figures_json(address, endpoint, figures);
        continue;
      }
      if (subject.figures.empty()) continue;
      text_ += fmt::format("\n{}{}{}\n", colour_.bold, subject.name, colour_.plain);
      for (const auto& [endpoint, figures] : subject.figures) {
        text_ += fmt::format(
            "  {:02x} {:<11} {} transfers, {} errors, {} bytes, {:.1f} KB/s, latency: median {}, "
            "99 % {}\n",
            endpoint, usb::transfer_type_name(figures.type), figures.transfers, figures.errors,
            figures.bytes, figures.bytes_per_second() / 1000,
            time_text(figures.latency.quantile(0.5)), time_text(figures.latency.quantile(0.99)));
        text_ += figures.latency.text();
      }
    }
    if (dropped > 0 && !options_.json) {
      text_ += fmt::format("{}{} records are missing in this capture{}\n", colour_.red, dropped,
                           colour_.plain);
    }
  }

  Result<void> flush() {
    auto done = output_.write(text_);
    text_.clear();
    return done;
  }

  const InspectOptions& options_;
  Output& output_;
  const Colours& colour_;
  recorded::TransferPairing pairing_;
  std::map<TracedAddress, Subject> subjects_;
  std::uint64_t start_ = 0;
  std::string text_;
};

/// What a server on this machine exports, as it passes.
Result<void> inspect_live(const InspectOptions& options, Output& output) {
  const auto device = find_watched(watched_devices(), options.file);
  if (!device) return tl::make_unexpected(device.error());
  auto stream = watch(*device, service::StageOptions::kDefaultSnapLength);
  if (!stream) return forward_error(stream);
  auto trace = recorded::TraceFile::stream(std::move(*stream), "of " + device->busid);
  return Inspecting(options, output).run(trace, true);
}

/// A file that is there is meant, whatever else has its name.
bool is_device(const std::string& text) {
  return text != "-" && ::access(text.c_str(), F_OK) != 0 &&
         (text.find("://") != std::string::npos || service::parse_locator(text) ||
          text.find('@') != std::string::npos);
}

}  // namespace

Result<void> inspect(const InspectOptions& options, Output& output) {
  if (!options.other.empty()) return compare_traces(options, output);
  if (options.follow) {
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
  }
  if (is_device(options.file)) return inspect_live(options, output);
  auto file = recorded::TraceFile::open(options.file);
  if (!file) return forward_error(file);
  return Inspecting(options, output).run(*file, options.follow);
}

}  // namespace periprox::app

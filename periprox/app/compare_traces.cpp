#include "periprox/app/compare_traces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "periprox/app/endpoint_figures.hpp"
#include "periprox/app/traced_text.hpp"
#include "periprox/recorded/trace_file.hpp"

namespace periprox::app {
namespace {

using recorded::TracedAddress;
using recorded::TracedTransfer;

/// One transfer with what it means, which later transfers do not change.
struct Step {
  TracedTransfer transfer;
  std::string text;
};

/// The transfers of each endpoint of each device, devices in the order of their appearance.
struct Trace {
  std::map<std::pair<std::size_t, std::uint8_t>, std::vector<Step>> steps;
  std::uint64_t start = 0;
  std::size_t count = 0;
};

std::uint8_t place_of(const TracedTransfer& transfer) {
  return transfer.endpoint.number() == 0 ? 0 : transfer.endpoint.value();
}

bool is_wanted(const InspectOptions& options, const TracedTransfer& transfer) {
  if (transfer.is_synthesised) return false;
  if (options.type && transfer.type != *options.type) return false;
  return !options.endpoint || place_of(transfer) == options.endpoint->value();
}

Result<Trace> read_trace(const InspectOptions& options, const std::string& path) {
  auto file = recorded::TraceFile::open(path);
  if (!file) return forward_error(file);
  Trace trace;
  recorded::TransferPairing pairing;
  std::map<TracedAddress, std::pair<std::size_t, TracedSubject>> subjects;
  while (true) {
    auto packet = file->next();
    if (!packet) return forward_error(packet);
    if (!*packet) return trace;
    const auto* transfer = pairing.add(**packet);
    if (transfer == nullptr) continue;
    auto& [number, subject] =
        subjects.try_emplace(transfer->address, subjects.size(), TracedSubject{}).first->second;
    subject.learn(*transfer);
    if (!is_wanted(options, *transfer)) continue;
    if (trace.start == 0) trace.start = transfer->submitted;
    trace.steps[{number, place_of(*transfer)}].push_back({*transfer, subject.text(*transfer)});
    ++trace.count;
  }
}

bool same(const TracedTransfer& a, const TracedTransfer& b) {
  if (a.type != b.type || a.endpoint != b.endpoint || a.setup != b.setup) return false;
  if (a.status != b.status || a.length != b.length || a.actual_length != b.actual_length)
    return false;
  // Captures may keep more or less of the data.
  const auto kept = std::min(a.data.size(), b.data.size());
  return std::equal(a.data.begin(), a.data.begin() + static_cast<std::ptrdiff_t>(kept),
                    b.data.begin()) &&
         a.iso_packets == b.iso_packets;
}

std::string line_of(std::string_view name, const Step* step, std::uint64_t start) {
  if (step == nullptr) return fmt::format("  {}  no such transfer any more\n", name);
  const auto& transfer = step->transfer;
  return fmt::format("  {}  {:.6f} s, after {}: {}, {} of {} bytes: {}\n", name,
                     static_cast<double>(transfer.submitted - start) / 1e9,
                     time_text(transfer.latency()), usb::status_name(transfer.status),
                     transfer.actual_length, transfer.length, step->text);
}

/// The first place of one endpoint where the traces differ.
struct Divergence {
  std::pair<std::size_t, std::uint8_t> where;
  std::size_t number = 0;
  const Step* a = nullptr;
  const Step* b = nullptr;

  /// When it happened, in either trace.
  [[nodiscard]] std::uint64_t time(const Trace& in_a, const Trace& in_b) const {
    return a != nullptr ? a->transfer.submitted - in_a.start : b->transfer.submitted - in_b.start;
  }
};

std::vector<Divergence> divergences(const Trace& a, const Trace& b) {
  static const std::vector<Step> kNone;
  std::vector<Divergence> found;
  std::map<std::pair<std::size_t, std::uint8_t>, int> all;
  for (const auto& [where, steps] : a.steps) all[where];
  for (const auto& [where, steps] : b.steps) all[where];
  const auto steps_of = [](const Trace& trace, const auto& where) -> const std::vector<Step>& {
    const auto place = trace.steps.find(where);
    return place == trace.steps.end() ? kNone : place->second;
  };
  for (const auto& [where, unused] : all) {
    const auto& in_a = steps_of(a, where);
    const auto& in_b = steps_of(b, where);
    std::size_t i = 0;
    while (i < in_a.size() && i < in_b.size() && same(in_a[i].transfer, in_b[i].transfer)) ++i;
    if (i == in_a.size() && i == in_b.size()) continue;
    found.push_back(
        {where, i + 1, i < in_a.size() ? &in_a[i] : nullptr, i < in_b.size() ? &in_b[i] : nullptr});
  }
  return found;
}

}  // namespace

Result<void> compare_traces(const InspectOptions& options, Output& output) {
  const auto a = read_trace(options, options.file);
  if (!a) return tl::make_unexpected(a.error());
  const auto b = read_trace(options, options.other);
  if (!b) return tl::make_unexpected(b.error());
  const auto found = divergences(*a, *b);
  if (found.empty())
    return output.write(fmt::format("the captures say the same: {} transfers\n", a->count));
  const auto& first = *std::ranges::min_element(
      found, {}, [&](const Divergence& divergence) { return divergence.time(*a, *b); });
  const auto place = fmt::format("device {}, endpoint {:02x}, its transfer {}",
                                 first.where.first + 1, first.where.second, first.number);
  auto done = output.write(place + ":\n" + line_of("A", first.a, a->start) +
                           line_of("B", first.b, b->start));
  if (!done) return done;
  return fail(Error::Kind::Failed, "the captures differ", "first at " + place);
}

}  // namespace periprox::app

// Four ways for the same URBs, measured in turn in each round: a bare ring of the same shape, the
// ring session, USB/IP over a Unix socket and over TCP. The device copies the data of bulk
// transfers once, and so does the bare ring.
//
// Two threads that spin need two processors at the same instant. Where other work takes them away,
// a round says how the scheduler shares them out and nothing else; so rounds are short and many,
// and the figure of each way is that of its best round.
#include "bench/ring_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "bench/rings.hpp"
#include "bench/urbs.hpp"

namespace periprox::bench {
namespace {

using usb::TransferType;

enum Way : std::size_t { kBare, kRing, kUnix, kTcp, kWays };
constexpr std::array<const char*, kWays> kNames = {"bare ring", "", "USB/IP unix", "USB/IP tcp"};

struct Figures {
  double seconds = 0;
  double cpu = 0;
  std::vector<double> latencies;
};

/// The four ways, kept open from row to row.
class Ways {
 public:
  Figures run(std::size_t way, const UrbShape& shape, std::size_t count, std::size_t in_flight) {
    Figures figures;
    const double before = cpu_seconds();
    if (way == kBare) {
      auto bare = bare_ring(shape.is_in, shape.size, count, in_flight);
      figures.seconds = bare.seconds;
      figures.latencies = std::move(bare.latencies);
    } else if (way == kRing) {
      figures.seconds = ring_.run(shape, count, in_flight);
      figures.latencies = ring_.latencies();
    } else {
      auto& path = way == kUnix ? unix_ : tcp_;
      figures.seconds = path.run(shape, count, in_flight);
      figures.latencies = path.latencies();
    }
    figures.cpu = cpu_seconds() - before;
    return figures;
  }

 private:
  RingPath ring_;
  UrbPath unix_{SocketKind::Unix, 1, {.copies = true}};
  UrbPath tcp_{SocketKind::Tcp, 1, {.copies = true}};
};

/// The figures of each way in each round.
using Rounds = std::array<std::vector<double>, kWays>;

enum class Best : std::uint8_t { Lowest, Highest };

std::array<double, kWays> best_of(const Rounds& rounds, Best best) {
  std::array<double, kWays> result{};
  for (std::size_t way = 0; way < kWays; ++way) {
    const auto& figures = rounds[way];
    result[way] = best == Best::Lowest ? *std::ranges::min_element(figures)
                                       : *std::ranges::max_element(figures);
  }
  return result;
}

int many_rounds(const Bench& bench) { return bench.rounds() * 4; }

/// One row for each thing that the ring stands beside; the bars hold for the first.
void add_rows(Bench& bench, const std::string& name, const std::string& unit, const Rounds& rounds,
              Best best, Bar bar) {
  const auto figures = best_of(rounds, best);
  bench.add(
      {.name = name, .unit = unit, .bare = figures[kBare], .ours = figures[kRing], .bar = bar});
  for (const auto way : {kUnix, kTcp}) {
    bench.add({.name = fmt::format("  beside {}", kNames[way]),
               .unit = unit,
               .bare = figures[way],
               .ours = figures[kRing]});
  }
}

}  // namespace

void ring_round_trips(Bench& bench) {
  struct Case {
    const char* name;
    UrbShape shape;
  };
  const Case cases[] = {{"control", {TransferType::Control, true, 18}},
                        {"512-byte bulk", {TransferType::Bulk, true, 512}}};
  struct Quantile {
    const char* name;
    double part;
    Bar bar;
  };
  const Quantile quantiles[] = {{"p50", 0.5, {Bar::Of::Below, 10}},
                                {"p99", 0.99, {Bar::Of::Below, 100}},
                                {"p99.9", 0.999, {}}};
  const std::size_t count = bench.scaled(5000);
  for (const auto& [name, shape] : cases) {
    const auto what = fmt::format("ring: {} round trip", name);
    if (!bench.wants(what)) continue;
    Ways ways;
    std::array<Rounds, std::size(quantiles)> latencies;
    Rounds cpu;
    for (int round = 0; round < many_rounds(bench); ++round) {
      for (std::size_t way = 0; way < kWays; ++way) {
        // A round trip through a socket takes many times as long.
        const auto urbs = way == kUnix || way == kTcp ? count / 5 : count;
        const auto figures = ways.run(way, shape, urbs, 1);
        cpu[way].push_back(figures.cpu * 1e6 / static_cast<double>(urbs));
        for (std::size_t i = 0; i < std::size(quantiles); ++i) {
          const auto place = quantiles[i].part * static_cast<double>(figures.latencies.size() - 1);
          latencies[i][way].push_back(figures.latencies[static_cast<std::size_t>(place)]);
        }
      }
    }
    for (std::size_t i = 0; i < std::size(quantiles); ++i) {
      add_rows(bench, fmt::format("{}, {}", what, quantiles[i].name), "us", latencies[i],
               Best::Lowest, quantiles[i].bar);
    }
    add_rows(bench, what + ", CPU", "us", cpu, Best::Lowest, {});
  }
}

void ring_throughput(Bench& bench) {
  std::optional<Ways> ways;
  for (const std::uint32_t size : {4U << 10, 64U << 10, 1U << 20}) {
    for (const std::size_t in_flight : {1, 8, 32}) {
      const auto what = fmt::format("ring: {} KiB, {} in flight", size >> 10, in_flight);
      if (!bench.wants(what)) continue;
      if (!ways) ways.emplace();
      const std::size_t count = bench.scaled((std::size_t{64} << 20) / std::max(size, 16U << 10));
      const UrbShape shape{TransferType::Bulk, true, size};
      Rounds rates;
      Rounds cpu;
      for (int round = 0; round < many_rounds(bench); ++round) {
        for (std::size_t way = 0; way < kWays; ++way) {
          const auto figures = ways->run(way, shape, count, in_flight);
          rates[way].push_back(static_cast<double>(count) * size / figures.seconds / 1e6);
          cpu[way].push_back(figures.cpu * 1e6 / static_cast<double>(count));
        }
      }
      add_rows(bench, what, "MB/s", rates, Best::Highest, {Bar::Of::RatioAtLeast, 0.9});
      if (in_flight == 8) {
        bench.add({.name = "  more than 1 GB/s",
                   .unit = "MB/s",
                   .ours = *std::ranges::max_element(rates[kRing]),
                   .bar = {Bar::Of::Above, 1000}});
        add_rows(bench, what + ", CPU", "us", cpu, Best::Lowest, {});
      }
    }
  }
}

void ring_idle(Bench& bench) {
  const std::string name = "ring: CPU of an idle session, both sides";
  if (!bench.wants(name)) return;
  RingPath ring;
  (void)ring.run({}, 64, 1);
  constexpr auto kIdle = std::chrono::seconds(3);
  const double cpu = ring.idle_cpu(kIdle);
  bench.add({.name = name, .unit = "us/s", .ours = cpu / 3 * 1e6, .bar = {Bar::Of::Below, 1000}});
}

}  // namespace periprox::bench

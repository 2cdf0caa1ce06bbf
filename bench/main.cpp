// What "fast" means here: each row stands beside something simpler, measured in the same run, in
// turn.
//
// usage: periprox_bench [--json] [--quick] [--iso-seconds N] [FILTER]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "bench/bare.hpp"
#include "bench/emulated_rows.hpp"
#include "bench/report.hpp"
#include "bench/ring_rows.hpp"
#include "bench/sockets.hpp"
#include "bench/urbs.hpp"

namespace {

using namespace periprox::bench;  // NOLINT(google-build-using-namespace)
using periprox::usb::TransferType;

constexpr std::size_t kHeader = 48;

void round_trips(Bench& bench, SocketKind kind) {
  const UrbShape control{TransferType::Control, true, 18};
  const std::size_t rounds = bench.scaled(20'000);
  UrbPath path(kind, 1);
  bench.compare(
      fmt::format("control round trip, {}", kind_name(kind)), "us",
      [&] {
        return bare_ping_pong(kind, kHeader, kHeader + 18, rounds) * 1e6 /
               static_cast<double>(rounds);
      },
      [&] { return path.run(control, rounds, 1) * 1e6 / static_cast<double>(rounds); }, 1.2, true);
}

void small_urbs(Bench& bench, SocketKind kind) {
  struct Case {
    const char* name;
    UrbShape shape;
  };
  const Case cases[] = {{"18-byte control", {TransferType::Control, true, 18}},
                        {"512-byte bulk in", {TransferType::Bulk, true, 512}},
                        {"512-byte bulk out", {TransferType::Bulk, false, 512}}};
  const std::size_t count = bench.scaled(200'000);
  UrbPath path(kind, 1);
  for (const auto& [name, shape] : cases) {
    const std::size_t request = kHeader + (shape.is_in ? 0 : shape.size);
    const std::size_t reply = kHeader + (shape.is_in ? shape.size : 0);
    bench.compare(
        fmt::format("{}, 32 in flight, {}", name, kind_name(kind)), "kURB/s",
        [&] {
          return static_cast<double>(count) / bare_batched_echo(kind, request, reply, count, 32) /
                 1e3;
        },
        [&] { return static_cast<double>(count) / path.run(shape, count, 32) / 1e3; }, 0.4, false);
  }
}

void bulk(Bench& bench, SocketKind kind) {
  UrbPath path(kind, 1);
  for (const std::uint32_t size : {64U << 10, 1U << 20}) {
    const std::size_t count = bench.scaled((std::size_t{1} << 30) / size);
    for (const bool is_in : {true, false}) {
      const auto rate = [&](double seconds) {
        return static_cast<double>(count) * size / seconds / 1e6;
      };
      bench.compare(
          fmt::format("bulk {} {} KiB, 8 in flight, {}", is_in ? "in" : "out", size >> 10,
                      kind_name(kind)),
          "MB/s", [&] { return rate(bare_stream(kind, size, count)); },
          [&] {
            return rate(path.run({TransferType::Bulk, is_in, size}, count, 8));
          },
          0.9, false);
    }
  }
}

/// One URB at a time, each through the next session: nothing of a session is still in the cache
/// when its turn comes.
void many_sessions(Bench& bench) {
  const UrbShape control{TransferType::Control, true, 18};
  const std::size_t rounds = bench.scaled(20'000);
  UrbPath one(SocketKind::Unix, 1);
  UrbPath thousand(SocketKind::Unix, 1000);
  const auto cost = [&](UrbPath& path) {
    const double before = cpu_seconds();
    (void)path.run(control, rounds, 1);
    return (cpu_seconds() - before) * 1e6 / static_cast<double>(rounds);
  };
  bench.compare(
      "CPU for a control URB, 1000 sessions against 1", "us", [&] { return cost(one); },
      [&] { return cost(thousand); }, 1.2, true);
}

/// What it costs to capture everything, 64 bytes of each URB.
void captures(Bench& bench) {
  struct Case {
    const char* name;
    UrbShape shape;
    std::size_t count;
    std::size_t in_flight;
    double bound;
  };
  const Case cases[] = {
      {"captured: bulk in 64 KiB, 8 in flight",
       {TransferType::Bulk, true, 64 << 10},
       16'384,
       8,
       0.97},
      {"captured: bulk out 64 KiB, 8 in flight",
       {TransferType::Bulk, false, 64 << 10},
       16'384,
       8,
       0.97},
      {"captured: bulk in 1024 KiB, 8 in flight",
       {TransferType::Bulk, true, 1 << 20},
       1024,
       8,
       0.97},
      {"captured: bulk out 1024 KiB, 8 in flight",
       {TransferType::Bulk, false, 1 << 20},
       1024,
       8,
       0.97},
      {"captured: control round trip", {TransferType::Control, true, 18}, 20'000, 1, 0.97},
      {"captured: 512-byte bulk in, 32 in flight",
       {TransferType::Bulk, true, 512},
       200'000,
       32,
       0.7},
  };
  const auto file = std::filesystem::temp_directory_path() / "periprox-bench.pcapng";
  UrbPath plain(SocketKind::Unix, 1);
  {
    UrbPath captured(SocketKind::Unix, 1, {.capture = file.string()});
    for (const auto& [name, shape, count, in_flight, bound] : cases) {
      const auto urbs = bench.scaled(count);
      const auto rate = [&](UrbPath& path) {
        return static_cast<double>(urbs) / path.run(shape, urbs, in_flight) / 1e3;
      };
      bench.compare(
          name, "kURB/s", [&] { return rate(plain); }, [&] { return rate(captured); }, bound,
          false);
      // The writer's thread included, which a processor to spare would hide.
      const auto cost = [&](UrbPath& path) {
        const double before = cpu_seconds();
        (void)path.run(shape, urbs, in_flight);
        return (cpu_seconds() - before) * 1e6 / static_cast<double>(urbs);
      };
      bench.compare(
          fmt::format("CPU, {}", name), "us", [&] { return cost(plain); },
          [&] { return cost(captured); }, 2 - bound, true);
    }
  }
  std::filesystem::remove(file);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::chrono::seconds iso_time(10);
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      options.json = true;
    } else if (std::strcmp(argv[i], "--quick") == 0) {
      options.rounds = 3;
      options.scale = 0.2;
    } else if (std::strcmp(argv[i], "--iso-seconds") == 0 && i + 1 < argc) {
      iso_time = std::chrono::seconds(std::max(std::atoi(argv[++i]), 1));
    } else if (argv[i][0] == '-') {
      fmt::print(stderr, "usage: periprox_bench [--json] [--quick] [--iso-seconds N] [FILTER]\n");
      return 2;
    } else {
      options.filter = argv[i];
    }
  }
  Bench bench(options);
  for (const auto kind : {SocketKind::Tcp, SocketKind::Unix}) {
    round_trips(bench, kind);
    small_urbs(bench, kind);
    bulk(bench, kind);
  }
  ring_round_trips(bench);
  ring_throughput(bench);
  ring_idle(bench);
  many_sessions(bench);
  captures(bench);
  storage_rows(bench);
  isochronous_rows(bench, iso_time);
  bench.bound(
      "memory of one idle session", "bytes", [] { return idle_session_bytes(1000); }, 64 * 1024);
  return bench.finish();
}

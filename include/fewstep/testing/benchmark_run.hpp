// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

/// Benchmarks that declare what they do, and the machine's ceilings, measured in the same process, that it is given as
/// a share of. Needs Google Benchmark (1.7 or later); not part of the umbrella header.

namespace fewstep {

namespace detail {

/// Best of seven runs of f, in seconds.
template <class F>
double best_seconds(const F& f) {
  double best = 1e30;
  for (int run = 0; run < 7; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace detail

/// Bytes per second, read and written, of a copy that touches `bytes` in all, on the threads of the backend. Measured
/// at the first call for these bytes and threads.
[[nodiscard]] inline double copy_bandwidth(cpu_backend& backend, std::size_t bytes) {
  static std::map<std::pair<int, std::size_t>, double> known;
  const auto key = std::pair(backend.threads(), bytes);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  const std::vector<char> from(std::max<std::size_t>(1, bytes / 2), 1);
  std::vector<char> to(from.size());
  constexpr std::size_t block = std::size_t{1} << 16, total = std::size_t{1} << 26;
  const auto blocks = static_cast<index_t>((from.size() + block - 1) / block);
  const std::size_t repeats = std::max<std::size_t>(1, total / (2 * from.size()));
  const double seconds = detail::best_seconds([&] {
    for (std::size_t i = 0; i < repeats; ++i)
      backend.parallel_for(blocks, [&](auto&, int, index_t b) {
        const std::size_t first = static_cast<std::size_t>(b) * block;
        std::memcpy(to.data() + first, from.data() + first, std::min(block, from.size() - first));
      });
    ::benchmark::DoNotOptimize(to.data());
  });
  return known[key] = static_cast<double>(repeats) * 2.0 * static_cast<double>(from.size()) / seconds;
}

/// Floating-point operations per second of a loop of multiply-adds (two operations each) that does nothing else, on
/// the threads of the backend. Measured at the first call for so many threads.
[[nodiscard]] inline double multiply_add_rate(cpu_backend& backend) {
  static std::map<int, double> known;
  if (const auto found = known.find(backend.threads()); found != known.end()) return found->second;
  using detail::packet;
  constexpr int chains = 12;
  constexpr long steps = 2'000'000;
  const double seconds = detail::best_seconds([&] {
    backend.parallel_for(backend.threads(), [&](auto&, int, index_t i) {
      packet<float> left = packet<float>{} + 1.000001f, right = packet<float>{} + static_cast<float>(i + 1) * 1e-9f,
                    sum[chains];
      ::benchmark::DoNotOptimize(left);  // constants would be folded, and sums that are alike made once
      ::benchmark::DoNotOptimize(right);
      for (auto& s : sum) {
        s = right;
        ::benchmark::DoNotOptimize(s);
      }
      for (long k = 0; k < steps; ++k) detail::unrolled<chains>([&](auto c) { sum[c] = sum[c] * left + right; });
      for (auto& s : sum) ::benchmark::DoNotOptimize(s);
    });
  });
  const double operations =
      2.0 * chains * static_cast<double>(steps) * static_cast<double>(detail::lanes<float>) * backend.threads();
  return known[backend.threads()] = operations / seconds;
}

/// What one call of a benchmarked function does. A figure that is 0 is not reported.
struct benchmark_work {
  double items = 0;       ///< samples, rows, numbers: the counter items (a rate)
  double bytes = 0;       ///< read and written: bytes (a rate), and of_copy, their share of a copy of as many bytes
  double operations = 0;  ///< floating-point, 2 a multiply-add: FLOP (a rate), and of_peak, their share of such a loop
};

/// Times f(), which is called once before: one call is one iteration. The share is a number of its own (1 is the
/// ceiling), not a rate.
template <class F>
void run_benchmark(::benchmark::State& state, cpu_backend& backend, const benchmark_work& work, const F& f) {
  const double copy = work.bytes > 0 ? copy_bandwidth(backend, static_cast<std::size_t>(work.bytes)) : 0;
  const double peak = work.operations > 0 ? multiply_add_rate(backend) : 0;
  f();  // what only the first call costs (memory, page faults) is not timed
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) {
    f();
    ::benchmark::ClobberMemory();
  }
  // Google Benchmark tells nobody how long that took, and knows no counter that is a ratio of rates.
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto calls = static_cast<double>(state.iterations());
  const auto report = [&](const char* name, double per_call, const char* share, double ceiling) {
    if (per_call <= 0) return;
    using ::benchmark::Counter;
    state.counters[name] = Counter(calls * per_call, Counter::kIsRate, Counter::kIs1000);
    if (ceiling > 0) state.counters[share] = Counter(calls * per_call / seconds / ceiling);
  };
  report("items", work.items, "", 0);
  report("bytes", work.bytes, "of_copy", copy);
  report("FLOP", work.operations, "of_peak", peak);
}

}  // namespace fewstep

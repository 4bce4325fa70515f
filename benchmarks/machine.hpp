// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

/// What this machine can do, measured in the same process: the ceilings that results are given as shares of.
namespace machine {

using fewstep::index_t;

/// Best of several runs of f, in seconds.
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

/// Bytes per second (read + written) of a copy that touches `bytes` in all, on the threads of the backend.
inline double copy_bandwidth(fewstep::cpu_backend& backend, std::size_t bytes) {
  static std::map<std::pair<int, std::size_t>, double> known;
  const auto key = std::pair(backend.threads(), bytes);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  std::vector<char> from(bytes / 2, 1), to(bytes / 2);
  constexpr std::size_t block = 1 << 16;
  const auto blocks = static_cast<index_t>((from.size() + block - 1) / block);
  const int repeats = static_cast<int>(std::max<std::size_t>(1, (std::size_t{1} << 28) / bytes));
  const double seconds = best_seconds([&] {
    for (int i = 0; i < repeats; ++i)
      backend.parallel_for(blocks, [&](auto&, int, index_t b) {
        const std::size_t first = static_cast<std::size_t>(b) * block;
        std::memcpy(to.data() + first, from.data() + first, std::min(block, from.size() - first));
      });
    benchmark::DoNotOptimize(to.data());
  });
  return known[key] = static_cast<double>(repeats) * 2.0 * static_cast<double>(from.size()) / seconds;
}

/// Multiply-adds per second, as two operations each, of a loop that does nothing else, on the threads of the backend.
inline double matrix_rate(fewstep::cpu_backend& backend) {
  static std::map<int, double> known;
  if (const auto found = known.find(backend.threads()); found != known.end()) return found->second;
  using fewstep::detail::packet;
  constexpr int chains = 12;
  constexpr long steps = 4'000'000;
  const double seconds = best_seconds([&] {
    backend.parallel_for(backend.threads(), [&](auto&, int, index_t i) {
      packet<float> sum[chains], left = packet<float>{} + 1.000001f,
                                 right = packet<float>{} + static_cast<float>(i) * 1e-9f;
      for (auto& s : sum) s = right;
      for (long k = 0; k < steps; ++k)
        fewstep::detail::unrolled<chains>([&](auto c) { sum[c] = sum[c] * left + right; });
      for (auto& s : sum) benchmark::DoNotOptimize(s);
    });
  });
  const double operations = 2.0 * chains * static_cast<double>(steps) *
                            static_cast<double>(fewstep::detail::lanes<float>) * backend.threads();
  return known[backend.threads()] = operations / seconds;
}

/// Reports bytes per second, and their share of a copy over the same working set.
inline void report_bytes(benchmark::State& state, fewstep::cpu_backend& backend, double bytes) {
  const double ceiling = copy_bandwidth(backend, static_cast<std::size_t>(bytes));
  const double done = bytes * static_cast<double>(state.iterations());
  state.counters["bytes/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
  state.counters["of_copy"] = benchmark::Counter(done / ceiling, benchmark::Counter::kIsRate);
}

/// Reports floating-point operations per second, and their share of the measured peak.
inline void report_operations(benchmark::State& state, fewstep::cpu_backend& backend, double operations) {
  const double ceiling = matrix_rate(backend);
  const double done = operations * static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
  state.counters["of_peak"] = benchmark::Counter(done / ceiling, benchmark::Counter::kIsRate);
}

}  // namespace machine

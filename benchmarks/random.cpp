// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/philox.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/testing/benchmark_run.hpp>

#include <cstdint>
#include <vector>

namespace {

using namespace fewstep;

/// Random words, one counter after the other.
void philox_words(benchmark::State& state) {
  cpu_backend backend({.threads = 1});
  constexpr std::uint32_t blocks = 1024;
  std::uint32_t seen = 0;
  run_benchmark(state, backend, {.items = 4.0 * blocks}, [&] {
    for (std::uint32_t i = 0; i < blocks; ++i) {
      const philox_block words = philox({i, 0, 0, 0}, {1, 2});
      seen ^= words.x0 ^ words.x1 ^ words.x2 ^ words.x3;
    }
    benchmark::DoNotOptimize(seen);
  });
}
BENCHMARK(philox_words)->Name("random/philox")->UseRealTime();

/// Standard normals of one sample.
void normals(benchmark::State& state) {
  cpu_backend backend({.threads = 1});
  std::vector<float> z(static_cast<std::size_t>(state.range(0)));
  std::uint64_t sample = 0;
  run_benchmark(state, backend, {.items = static_cast<double>(z.size())}, [&] {
    fill_normal({1, stream::noise}, ++sample, 0, z.data(), state.range(0));
  });
}
BENCHMARK(normals)->Name("random/fill_normal")->ArgName("D")->Arg(2)->Arg(256)->Arg(3072)->Arg(49152)->UseRealTime();

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/mdp/replay.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/testing/benchmark_run.hpp>

namespace {

using namespace fewstep;

/// A pass over the trained rows of 64 samples with horizon 4 in `minibatches` > 1 minibatches: the rows are gathered in
/// a random order, x and x' read and written. (With one minibatch they are views and cost nothing.)
void pass_over_rows(benchmark::State& state) {
  cpu_backend backend({.threads = 1});
  const index_t samples = 64, d = state.range(1);
  const int minibatches = static_cast<int>(state.range(0));
  trajectory<cpu_backend, int> path(backend, consistency_sampler{}.table(edm_consistency{}, 4), samples, d);
  const index_t rows = path.trained_rows();
  const mirrored<float, cpu_backend> advantages(backend, path.table().horizon() * samples);
  replay<cpu_backend, int> replayed(backend, path, minibatches, rows);
  std::uint64_t pass = 0;
  run_benchmark(state, backend,
                {.items = static_cast<double>(rows), .bytes = 4.0 * sizeof(float) * static_cast<double>(rows * d)},
                [&] {
                  replayed.begin_pass(backend, path, 1, pass++);
                  for (int k = 0; k < minibatches; ++k) {
                    const auto [first, last] = replayed.minibatch(k);
                    benchmark::DoNotOptimize(replayed.rows(backend, {path, advantages}, first, last - first));
                  }
                });
}
BENCHMARK(pass_over_rows)
    ->Name("replay/pass")
    ->ArgNames({"minibatches", "D"})
    ->Args({4, 2})
    ->Args({4, 64})
    ->Args({4, 3072})
    ->UseRealTime();

}  // namespace

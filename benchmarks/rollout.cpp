// SPDX-License-Identifier: Apache-2.0
#include "affine_generator.hpp"

#include <fewstep/mdp/rollout.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/testing/benchmark_run.hpp>

namespace {

using namespace fewstep;

/// Noise, transitions and log-probabilities of a batch with horizon 4, with a generator that costs next to nothing; the
/// items are values of states (batch x horizon x D).
void sample_batch(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(2))});
  const index_t samples = state.range(0), d = state.range(1);
  constexpr int horizon = 4;
  affine_generator model(backend, d);
  affine_generator::workspace_type workspace;
  trajectory<cpu_backend, int> path(backend, consistency_sampler{}.table(model.preconditioner(), horizon), samples, d);
  cpu_tensor<float, 2> o(backend, {samples, d});
  std::uint64_t update = 0;
  run_benchmark(state, backend, {.items = static_cast<double>(samples * horizon * d)}, [&] {
    rollout(backend, model, workspace, path, o.view(), {1, ++update * static_cast<std::uint64_t>(samples)},
            reduction::mean, 0, samples);
  });
}
BENCHMARK(sample_batch)
    ->Name("rollout/affine")
    ->ArgNames({"batch", "D", "threads"})
    ->Args({64, 2, 1})
    ->Args({64, 64, 1})
    ->Args({64, 3072, 1})
    ->Args({64, 3072, 2})
    ->UseRealTime();

}  // namespace

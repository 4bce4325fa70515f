// SPDX-License-Identifier: Apache-2.0
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/mdp/policy.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/testing/benchmark_run.hpp>

namespace {

using namespace fewstep;

struct observation {
  float values[6];
};

/// A plan of 8 actions of 2 numbers for an observation of 6, by a perceptron of two hidden layers on one thread. For
/// the 99th percentile see examples/generators/action_chunk.cpp.
void make_plan(benchmark::State& state) {
  cpu_backend backend({.threads = 1});
  const auto calls = static_cast<int>(state.range(0));
  const index_t width = state.range(1), actions = 16, inputs = actions + 8 + 6;
  mlp_generator<cpu_backend, edm_consistency, observation_conditioning<observation>> model(
      backend, {.network = {.dimension = actions, .hidden = {width, width}}});
  const consistency_sampler sampler{.last = last_step::stochastic};  // which a single call needs
  policy policy(backend, model, sampler.table(model.preconditioner(), calls));
  const double multiply_adds = static_cast<double>(width * (inputs + width + actions));
  std::uint64_t sample = 0;
  run_benchmark(state, backend, {.items = 1, .operations = 2.0 * calls * multiply_adds}, [&] {
    benchmark::DoNotOptimize(policy.act({{1, 0, 0, 0, -1, 0.5f}}, ++sample).data);
  });
}
BENCHMARK(make_plan)
    ->Name("policy/perceptron")
    ->ArgNames({"calls", "width"})
    ->Args({1, 128})
    ->Args({3, 128})
    ->Args({3, 256})
    ->Args({3, 512})
    ->UseRealTime();

}  // namespace

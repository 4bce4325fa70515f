// SPDX-License-Identifier: Apache-2.0
#include "affine_generator.hpp"

#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/testing/benchmark.hpp>

namespace {

using namespace fewstep;

/// A whole update of RLCM with a multilayer perceptron of two hidden layers of 256.
void mlp_step(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(3))});
  const auto d = static_cast<double>(state.range(2));
  mlp_generator<cpu_backend> model(backend, {.network = {.dimension = state.range(2), .hidden = {256, 256}}});
  const std::vector<std::int32_t> contexts{0};
  const double fourier = 8;
  benchmark_policy_gradient(state, backend, model, state.range(1), static_cast<int>(state.range(0)), contexts,
                            2.0 * ((d + fourier) * 256 + 256 * 256 + 256 * d));
}

/// The same with a generator that costs next to nothing: what rollout, scores, replay and the rest cost themselves.
void affine_step(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(3))});
  affine_generator model(backend, state.range(2));
  const std::vector<int> contexts{0};
  benchmark_policy_gradient(state, backend, model, state.range(1), static_cast<int>(state.range(0)), contexts);
}

/// One argument at a time away from horizon 4, batch 64, dimension 64.
void around(benchmark::internal::Benchmark* b) {
  b->ArgNames({"horizon", "batch", "D", "threads"})->UseRealTime();
  for (const int horizon : {2, 4, 8}) b->Args({horizon, 64, 64, 1});
  for (const int batch : {16, 256}) b->Args({4, batch, 64, 1});
  for (const int dimension : {2, 1024}) b->Args({4, 64, dimension, 1});
  b->Args({4, 256, 1024, 1})->Args({4, 256, 1024, 2});
}
BENCHMARK(mlp_step)->Name("policy_gradient/mlp")->Apply(around);
BENCHMARK(affine_step)->Name("policy_gradient/affine")->Apply(around);

}  // namespace

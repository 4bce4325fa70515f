// SPDX-License-Identifier: Apache-2.0
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/testing/benchmark_run.hpp>

namespace {

using namespace fewstep;

/// One step over a flat array of n parameters, which reads and writes Arrays arrays of n floats in all.
template <class Rule, int Arrays>
void step(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(1))});
  const index_t n = state.range(0);
  cpu_tensor<float, 1> p(backend, {n}), g(backend, {n});
  for (index_t i = 0; i < n; ++i) g.view()[i] = 1e-3f * static_cast<float>(i % 17 - 8);
  const Rule optimizer;
  auto memory = make_optimizer_state(optimizer, backend, n);
  const auto parameters = static_cast<double>(n);
  run_benchmark(state, backend, {.items = parameters, .bytes = Arrays * sizeof(float) * parameters}, [&] {
    optimizer_step(optimizer, backend, memory, {p.view(), g.view()}, {});
  });
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"parameters", "threads"})->ArgsProduct({{1'000'000, 10'000'000}, {1, 2}})->UseRealTime();
}
// Parameters and what the rule remembers are read and written, gradients read.
BENCHMARK(step<sgd, 5>)->Name("optimizer/sgd")->Apply(sizes);
BENCHMARK(step<adam, 7>)->Name("optimizer/adam")->Apply(sizes);
BENCHMARK(step<adamw, 7>)->Name("optimizer/adamw")->Apply(sizes);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <fewstep/optimizer/adam.hpp>

namespace {

using namespace fewstep;

/// One step over a flat array: parameters, gradients and two moments are read, all but the gradients written.
void adamw_step(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(1))});
  const index_t n = state.range(0);
  cpu_tensor<float, 1> p(backend, {n}), g(backend, {n});
  for (index_t i = 0; i < n; ++i) g.view()[i] = 1e-3f * static_cast<float>(i % 17 - 8);
  const adamw rule;
  auto moments = rule.make_state(backend, n);
  for (auto _ : state) {
    rule.update(backend, moments, {p.view(), g.view()}, {});
    benchmark::ClobberMemory();
  }
  machine::report_bytes(state, backend, 7.0 * sizeof(float) * static_cast<double>(n));
}
BENCHMARK(adamw_step)
    ->ArgNames({"parameters", "threads"})
    ->Args({1'000'000, 1})
    ->Args({1'000'000, 2})
    ->Args({10'000'000, 1})
    ->Args({10'000'000, 2})
    ->UseRealTime();

}  // namespace

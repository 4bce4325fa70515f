// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/testing/benchmark_run.hpp>

namespace {

using namespace fewstep;

/// Log-probability, ratio, surrogate and gradient of [rows, D] transitions: x, x' and o are read, the gradient written.
void score_kernel(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(2))});
  const index_t rows = state.range(0), d = state.range(1);
  cpu_tensor<float, 2> x(backend, {rows, d}), next(backend, {rows, d}), o(backend, {rows, d});
  const step_row row{6.0f, 2.0f, 0.9f, 0.4f, 2.0f, 1.0f, 0.1f, 0.5f};
  for (index_t r = 0; r < rows; ++r)
    for (auto* array : {&x, &next, &o})
      fill_normal({1, stream::evaluation}, static_cast<std::uint64_t>(r), 0, array->view().row(r), d);
  std::vector<score> scores(static_cast<std::size_t>(rows));
  const clipped_surrogate objective{1e-4f};
  const auto values = static_cast<double>(rows * d);
  run_benchmark(state, backend, {.bytes = 4.0 * sizeof(float) * values}, [&] {
    backend.parallel_for(rows, [&](auto&, int, index_t r) {
      scores[static_cast<std::size_t>(r)] =
          score_transition({x.view().row(r), next.view().row(r), &row}, o.view().row(r), d, reduction::mean, objective,
                           -1.0, 0.5f, 0, static_cast<double>(rows), {}, 0.0f);
    });
  });
}
BENCHMARK(score_kernel)
    ->Name("score/kernel")
    ->ArgNames({"rows", "D", "threads"})
    ->Args({4096, 2, 1})
    ->Args({64, 3072, 1})
    ->Args({64, 3072, 2})
    ->Args({4096, 3072, 1})
    ->Args({4096, 3072, 2})
    ->UseRealTime();

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/algorithm/diffusion_dpo.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/preference/recorded_pairs.hpp>
#include <fewstep/preference/score_preferences.hpp>
#include <fewstep/regularizer/frozen_reference.hpp>
#include <fewstep/testing/benchmark_run.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace {

using namespace fewstep;

std::vector<float> normals(index_t rows, index_t d, std::uint32_t which) {
  std::vector<float> values(static_cast<std::size_t>(rows * d));
  for (index_t r = 0; r < rows; ++r)
    fill_normal({1, stream::evaluation}, static_cast<std::uint64_t>(r), which, values.data() + r * d, d);
  return values;
}

/// Log-ratios, logistic loss and gradient of [rows, D] outputs in pairs: the outputs, their targets and the reference's
/// outputs are read twice, the gradient written.
void score_kernel(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(2))});
  const index_t rows = state.range(0), d = state.range(1);
  auto o = normals(rows, d, 0);
  const auto target = normals(rows, d, 1), reference = normals(rows, d, 2);
  const std::vector<float> scale(static_cast<std::size_t>(rows), 0.5f);
  std::vector<float> labels(static_cast<std::size_t>(rows), 1);
  for (std::size_t r = 1; r < labels.size(); r += 2) labels[r] = -1;
  std::vector<preference_score> scores(static_cast<std::size_t>(rows / 2));
  const preference_loss<logistic_link> loss{.link = {.beta = 1e-3f}, .comparisons = static_cast<double>(rows / 2)};
  const scored_preferences<logistic_link> wanted{.o = {o.data(), {rows, d}},
                                                 .target = {target.data(), {rows, d}},
                                                 .reference = {reference.data(), {rows, d}},
                                                 .scale = scale.data(),
                                                 .labels = {labels.data(), {rows, 1}},
                                                 .loss = &loss,
                                                 .scores = scores.data()};
  run_benchmark(state, backend, {.bytes = 6.0 * sizeof(float) * static_cast<double>(rows * d)},
                [&] { score_preferences(backend, wanted); });
}
BENCHMARK(score_kernel)
    ->Name("preference/score")
    ->ArgNames({"rows", "D", "threads"})
    ->Args({4096, 2, 1})
    ->Args({64, 3072, 1})
    ->Args({64, 3072, 2})
    ->Args({4096, 3072, 2})
    ->UseRealTime();

/// A whole update of Diffusion-DPO with a multilayer perceptron of two hidden layers of 256, whose copy is the
/// reference.
void mlp_update(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(2))});
  const index_t pairs = state.range(0), d = state.range(1);
  const mlp_generator<cpu_backend>::options options{.network = {.dimension = d, .hidden = {256, 256}}};
  mlp_generator<cpu_backend> model(backend, options), reference(backend, options);
  auto trainer = diffusion_dpo(
      backend, model,
      recorded_pairs(pair_records<std::int32_t>{normals(pairs, d, 3), normals(pairs, d, 4),
                                                std::vector<std::int32_t>(static_cast<std::size_t>(pairs))},
                     d),
      preference_parts{.optimizer = adam{.learning_rate = 1e-6f}, .reference = frozen_reference(reference)},
      {.pairs = {.comparisons = pairs}});
  run_benchmark(state, backend, {.items = static_cast<double>(pairs)}, [&] { trainer.update(); });
}
BENCHMARK(mlp_update)
    ->Name("preference/mlp")
    ->ArgNames({"pairs", "D", "threads"})
    ->Args({32, 64, 1})
    ->Args({128, 64, 1})
    ->Args({128, 1024, 1})
    ->Args({128, 1024, 2})
    ->UseRealTime();

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "ring.hpp"

#include <cstdio>
#include <vector>

/// How far results that begin with the same noise lie apart: the root mean square distance from their mean, over 64
/// beginnings of 64 results each. This is the walk of a sampler by hand.
double spread_from_one_start(fewstep::cpu_backend& backend, ring_generator& generator,
                             const fewstep::step_table& table) {
  constexpr fewstep::index_t starts = 64, each = 64, rows = starts * each;
  const fewstep::random_stream start{0, fewstep::stream::initial_noise}, moves{0, fewstep::stream::noise};
  const auto normal = [](const fewstep::random_stream& source, fewstep::index_t sample, std::size_t step,
                         fewstep::index_t d) {
    return source.normal(static_cast<std::uint64_t>(sample), static_cast<std::uint32_t>(step),
                         static_cast<std::uint64_t>(d));
  };
  fewstep::cpu_tensor<float, 2> states(backend, {rows, 2}), outputs(backend, {rows, 2});
  const fewstep::matrix<float> x = states.view(), o = outputs.view();
  const std::vector<std::int32_t> contexts(rows);
  auto workspace = generator.make_workspace(backend, rows);

  for (fewstep::index_t r = 0; r < rows; ++r)
    for (int d = 0; d < 2; ++d) x(r, d) = table.initial_sigma * normal(start, r / each, 0, d);
  for (std::size_t k = 0; k < table.rows.size(); ++k) {
    const auto& row = table.rows[k];
    const std::vector<float> times(rows, row.time);
    generator.predict(backend, {x, fewstep::as_vec(std::span(times)), fewstep::as_vec(std::span(contexts))}, o,
                      workspace);
    for (fewstep::index_t r = 0; r < rows; ++r)
      for (int d = 0; d < 2; ++d) x(r, d) = row.a * x(r, d) + row.b * o(r, d) + row.sigma * normal(moves, r, k, d);
  }

  double squares = 0;
  for (fewstep::index_t first = 0; first < rows; first += each)
    for (int d = 0; d < 2; ++d) {
      double mean = 0;
      for (fewstep::index_t r = first; r < first + each; ++r) mean += static_cast<double>(x(r, d)) / each;
      for (fewstep::index_t r = first; r < first + each; ++r)
        squares += std::pow(static_cast<double>(x(r, d)) - mean, 2);
    }
  return std::sqrt(squares / rows);
}

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  ring_generator generator = ring_base(backend);
  const std::vector<float> base(generator.parameters().begin(), generator.parameters().end());
  auto on_the_right =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return x[0] > 0 ? 1.0f : 0.0f; });

  std::puts("horizon   spread from one start   reward   near the circle");
  for (const int horizon : {2, 4, 8}) {
    std::ranges::copy(base, generator.parameters().begin());
    const auto table = fewstep::consistency_sampler{}.table(generator.preconditioner(), horizon);
    const double spread = spread_from_one_start(backend, generator, table);
    double reward = 0, near = 0;
    constexpr int runs = 8;
    for (std::uint64_t seed = 0; seed < runs; ++seed) {
      std::ranges::copy(base, generator.parameters().begin());
      auto trainer = fewstep::rlcm(
          backend, generator,
          fewstep::policy_gradient_parts{.reward = on_the_right,
                                         .optimizer = fewstep::adam{.learning_rate = 1e-3f},
                                         .advantage = fewstep::group_advantage{}},
          {.horizon = horizon, .batch = {.prompts = 1, .samples_per_prompt = 256}, .training = {.seed = seed}});
      for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 11)) {
        if (update.index < 10) continue;
        reward += update.reward_mean / runs;
        near += near_circle(trainer.samples()) / runs;
      }
    }
    std::printf("%7d   %21.1f   %6.2f   %15.2f\n", horizon, spread, reward, near);
  }
}

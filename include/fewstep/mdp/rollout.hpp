// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/random.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/objective/reduction.hpp>

#include <cstdint>

namespace fewstep {

/// Where the noise of a rollout comes from: sample r of the batch draws the numbers of sample first + r of the run.
struct rollout_noise {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
};

/// Samples rows [first, first + count) of the trajectory: x_0 ~ N(0, initial_sigma^2 I), then x' = a x + b o + sigma z
/// for every row of the step table, with log pi(x') of the steps that are trained. Contexts must have been set.
/// `o` is scratch of at least [count, D]. Rows are independent, so a batch may be sampled in parts.
///
/// Kept out of line, so that a trainer and a planner run the same instructions.
template <class Backend, class Generator, class Context>
[[gnu::noinline]] void rollout(Backend& backend, Generator& model, typename Generator::workspace_type& workspace,
                               trajectory<Backend, Context>& path, matrix<float> o, rollout_noise noise, reduction over,
                               index_t first, index_t count) {
  if (count == 0) return;
  const step_table& table = path.table();
  const index_t dimension = path.dimension();
  const random_stream start{noise.seed, stream::initial_noise}, moves{noise.seed, stream::noise};
  backend.parallel_for(count, [&](auto&, int, index_t i) {
    float* x = path.state(0).row(first + i);
    fill_normal(start, noise.first + static_cast<std::uint64_t>(first + i), 0, x, dimension);
    for (index_t d = 0; d < dimension; ++d) x[d] *= table.initial_sigma;
  });
  for (int k = 0; k < table.horizon(); ++k) {
    model.predict(backend, path.rows(k * path.samples() + first, count), o.subview(0, count), workspace);
    const step_row row = table.rows[static_cast<std::size_t>(k)];
    const matrix<float> before = path.state(k).subview(first, count), after = path.state(k + 1).subview(first, count);
    double* const log_pi = table.trains(k) ? &path.log_probability(k * path.samples() + first) : nullptr;
    backend.parallel_for(count, [=](auto&, int, index_t i) {
      const float *x = before.row(i), *out = o.row(i);
      float* next = after.row(i);
      if (row.sigma > 0) {
        fill_normal(moves, noise.first + static_cast<std::uint64_t>(first + i), static_cast<std::uint32_t>(k), next,
                    dimension);
        for (index_t d = 0; d < dimension; ++d) next[d] = row.a * x[d] + row.b * out[d] + row.sigma * next[d];
      } else {
        for (index_t d = 0; d < dimension; ++d) next[d] = row.a * x[d] + row.b * out[d];
      }
      if (log_pi != nullptr) log_pi[i] = log_probability({x, next, &row}, out, dimension, over);
    });
  }
  const step_row last = table.rows.back();
  const matrix<float> before = path.state(table.horizon() - 1).subview(first, count),
                      after = path.state(table.horizon()).subview(first, count),
                      result = path.result().subview(first, count);
  const bool clean = table.result == emitted::clean;
  backend.parallel_for(count, [=](auto&, int, index_t i) {
    const float *x = before.row(i), *out = o.row(i), *next = after.row(i);
    float* to = result.row(i);
    if (clean)
      for (index_t d = 0; d < dimension; ++d) to[d] = last.skip * x[d] + last.out * out[d];
    else
      for (index_t d = 0; d < dimension; ++d) to[d] = next[d];
  });
}

}  // namespace fewstep

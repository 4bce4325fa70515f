// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/sampler/scored_range.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cstdint>

/// The operations of a rollout on the rows of a batch. Each is a struct that says what is wanted and a free function
/// that does it on a backend; those here are for backends whose arrays lie in host memory.

namespace fewstep {

/// Where the noise of a rollout comes from: sample r of the batch draws the numbers of sample first + r of the run.
struct rollout_noise {
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
};

/// x_0 ~ N(0, sigma^2 I) for the rows of x[N, D]. Row r is sample first + r of the batch; the noise is read when the
/// operation runs. Samples that stand together in groups of `shared` draw the same noise.
///
/// With data[N, D] a trajectory starts on the way: x_k = signal data + sigma z, with the noise of (sample, `step`).
struct initial_states {
  matrix<float> x;
  float sigma = 1;
  const rollout_noise* noise = nullptr;
  index_t first = 0;
  index_t shared = 1;
  std::uint32_t step = 0;      ///< k
  matrix<const float> data{};  ///< null: none
  float signal = 0;

  /// Whose numbers row r draws, within the batch.
  [[nodiscard]] FEWSTEP_HD index_t drawn_as(index_t r) const { return (first + r) / shared * shared; }
};

/// x' = a x + b o + sigma z of one row of the step table for states x[N, D] and network outputs o[N, D], and the
/// log-probabilities of x', over the coordinates that are scored, where they are wanted. Row r is sample first + r of
/// the batch.
struct transition_step {
  matrix<const float> x, o;
  matrix<float> next;
  step_row row;
  std::uint32_t step = 0;  ///< number of the row, from 0
  const rollout_noise* noise = nullptr;
  index_t first = 0;
  double* log_probabilities = nullptr;  ///< [N], or null
  fewstep::reduction reduction = fewstep::reduction::mean;
  scored_range scored{};
};

/// What a rollout hands to the decoder, to[N, D]: the clean prediction skip x + out o of the last step, or the state
/// `next` that followed it.
struct rollout_result {
  matrix<const float> x, o, next;
  matrix<float> to;
  float skip = 0, out = 0;
  bool clean = true;
};

template <class Backend>
requires on_host<Backend>
void draw_initial_states(Backend& backend, const initial_states& a) {
  const random_stream source{a.noise->seed, stream::initial_noise};
  const index_t dimension = a.x.cols();
  backend.parallel_for(a.x.rows(), [=](auto&, int, index_t i) {
    float* x = a.x.row(i);
    fill_normal(source, a.noise->first + static_cast<std::uint64_t>(a.drawn_as(i)), a.step, x, dimension);
    for (index_t d = 0; d < dimension; ++d) x[d] *= a.sigma;
    if (a.data.data == nullptr) return;
    const float* data = a.data.row(i);
    for (index_t d = 0; d < dimension; ++d) x[d] += a.signal * data[d];
  });
}

/// Kept out of line, so that whoever takes a step runs the same instructions.
template <class Backend>
requires on_host<Backend>
[[gnu::noinline]] void take_step(Backend& backend, const transition_step& a) {
  const random_stream moves{a.noise->seed, stream::noise};
  const std::uint64_t sample = a.noise->first + static_cast<std::uint64_t>(a.first);
  const index_t dimension = a.x.cols();
  backend.parallel_for(a.x.rows(),
                       [=, before = a.x, output = a.o, after = a.next, row = a.row, step = a.step,
                        log_pi = a.log_probabilities, over = a.reduction, scored = a.scored](auto&, int, index_t i) {
                         const float *x = before.row(i), *out = output.row(i);
                         float* next = after.row(i);
                         if (row.sigma > 0) {
                           fill_normal(moves, sample + static_cast<std::uint64_t>(i), step, next, dimension);
                           for (index_t d = 0; d < dimension; ++d)
                             next[d] = row.a * x[d] + row.b * out[d] + row.sigma * next[d];
                         } else {
                           for (index_t d = 0; d < dimension; ++d) next[d] = row.a * x[d] + row.b * out[d];
                         }
                         if (log_pi != nullptr)
                           log_pi[i] = log_probability({x + scored.first, next + scored.first, &row},
                                                       out + scored.first, scored.size(dimension), over);
                       });
}

template <class Backend>
requires on_host<Backend>
void emit_result(Backend& backend, const rollout_result& a) {
  const index_t dimension = a.x.cols();
  backend.parallel_for(a.x.rows(), [=](auto&, int, index_t i) {
    const float *x = a.x.row(i), *out = a.o.row(i), *next = a.next.row(i);
    float* to = a.to.row(i);
    if (a.clean)
      for (index_t d = 0; d < dimension; ++d) to[d] = a.skip * x[d] + a.out * out[d];
    else
      for (index_t d = 0; d < dimension; ++d) to[d] = next[d];
  });
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/row_ranges.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/state_storage.hpp>
#include <fewstep/sampler/scored_range.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
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
/// the batch. Where x' is stored in 16 bits it is rounded to that first.
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
  detail::packed_states stored{};  ///< where x' is stored in 16 bits; null: it is not
};

/// What a rollout hands to the decoder, to[N, D]: the clean prediction skip x + out o of the last step, or the state
/// `next` that followed it.
struct rollout_result {
  matrix<const float> x, o, next;
  matrix<float> to;
  float skip = 0, out = 0;
  bool clean = true;
};

namespace detail {

/// to = a x + b o for arrays that do not overlap.
inline void combine(index_t n, float a, const float* __restrict x, float b, const float* __restrict o,
                    float* __restrict to) {
  for (index_t d = 0; d < n; ++d) to[d] = a * x[d] + b * o[d];
}
/// to = a x + b o + c to, likewise.
inline void combine(index_t n, float a, const float* __restrict x, float b, const float* __restrict o, float c,
                    float* __restrict to) {
  for (index_t d = 0; d < n; ++d) to[d] = a * x[d] + b * o[d] + c * to[d];
}

}  // namespace detail

template <class Backend>
requires on_host<Backend>
void draw_initial_states(Backend& backend, const initial_states& a) {
  for_row_ranges(backend, a.x.rows(), 2 * a.x.cols(), [&a](index_t from, index_t to) {
    const random_stream source{a.noise->seed, stream::initial_noise};
    const std::uint64_t first = a.noise->first;
    const index_t dimension = a.x.cols();
    for (index_t i = from; i < to; ++i)
      fill_normal(source, first + static_cast<std::uint64_t>(a.drawn_as(i)), a.step, a.x.row(i), dimension);
    const float sigma = a.sigma, signal = a.signal;
    for (float* x = a.x.row(from); x < a.x.row(to); ++x) *x *= sigma;
    if (a.data.data == nullptr) return;
    for (index_t i = from; i < to; ++i) {
      float* x = a.x.row(i);
      const float* data = a.data.row(i);
      for (index_t d = 0; d < dimension; ++d) x[d] += signal * data[d];
    }
  });
}

/// Kept out of line, so that whoever takes a step runs the same instructions.
template <class Backend>
requires on_host<Backend>
[[gnu::noinline]] void take_step(Backend& backend, const transition_step& a) {
  for_row_ranges(backend, a.x.rows(), 3 * a.x.cols(), [&a](index_t from, index_t to) {
    const index_t dimension = a.x.cols();
    const float on_x = a.row.a, on_o = a.row.b, sigma = a.row.sigma;
    const float *const x = a.x.data, *const o = a.o.data;
    float* const next = a.next.data;
    if (sigma > 0) {
      const random_stream moves{a.noise->seed, stream::noise};
      const std::uint64_t sample = a.noise->first + static_cast<std::uint64_t>(a.first);
      for (index_t i = from; i < to; ++i)
        fill_normal(moves, sample + static_cast<std::uint64_t>(i), a.step, next + i * dimension, dimension);
      for (index_t at = from * dimension; at < to * dimension; at += dimension)
        detail::combine(dimension, on_x, x + at, on_o, o + at, sigma, next + at);
    } else {
      for (index_t at = from * dimension; at < to * dimension; at += dimension)
        detail::combine(dimension, on_x, x + at, on_o, o + at, next + at);
    }
    for (index_t i = from; i < to && !a.stored.is_null(); ++i) a.stored.store(i, next + i * dimension);
    if (a.log_probabilities == nullptr) return;
    const index_t count = a.scored.size(dimension);
    for (index_t i = from; i < to; ++i) {
      const index_t at = i * dimension + a.scored.first;
      a.log_probabilities[i] = log_probability({x + at, next + at, &a.row}, o + at, count, a.reduction);
    }
  });
}

template <class Backend>
requires on_host<Backend>
void emit_result(Backend& backend, const rollout_result& a) {
  for_row_ranges(backend, a.x.rows(), 3 * a.x.cols(), [&a](index_t from, index_t to) {
    const index_t dimension = a.x.cols();
    const float skip = a.skip, out = a.out, *const x = a.x.data, *const o = a.o.data;
    float* const result = a.to.data;
    if (!a.clean)
      std::copy(a.next.row(from), a.next.row(to), a.to.row(from));
    else
      for (index_t at = from * dimension; at < to * dimension; at += dimension)
        detail::combine(dimension, skip, x + at, out, o + at, result + at);
  });
}

}  // namespace fewstep

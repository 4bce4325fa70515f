// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/row_segments.cuh>
#include <fewstep/cuda/transition.cuh>
#include <fewstep/preference/corrupted_examples.hpp>
#include <fewstep/preference/score_preferences.hpp>

#include <cmath>
#include <cstdint>

/// The operations of preference_optimization on a device.

namespace fewstep {

namespace detail {

/// Four elements of a row share one block of random numbers.
template <preconditioning P>
struct corrupt_examples_element {
  corrupted_examples<P> a;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return (a.clean.cols() + 3) / 4; }
  FEWSTEP_HD void operator()(index_t i, index_t group) const {
    const float_packet four =
        normals_at(*a.noise, stream::preference_noise, a.comparison(i), a.drawn_as(i), static_cast<int>(group));
    const float t = a.times[a.comparison(i)];
    const noise_level level = a.preconditioner.level(t);
    const output_target to = output_target::at(a.preconditioner, t);
    const float* x = a.clean_row(i);
    for (int k = 0; k < 4; ++k) {
      const index_t d = 4 * group + k;
      if (d >= a.clean.cols()) return;
      a.noised(i, d) = level.signal * x[d] + level.noise * four[k];
      a.target(i, d) = to.on_clean * x[d] + to.on_noise * four[k];
    }
  }
};

/// A block for each comparison: its rows are read twice, once for the sums and once for the gradient.
template <preference_link Link>
struct score_preference_rows {
  static constexpr int threads = 256;
  scored_preferences<Link> a;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const index_t c = block.index(), dimension = a.o.cols();
    const bool has_reference = a.reference.data != nullptr, safeguarded = a.loss->safeguard.is_on && a.members == 2;
    preference_sums sums;
    for (index_t row = c * a.members; row < (c + 1) * a.members; ++row) {
      const float *o = a.o.row(row), *t = a.target.row(row);
      const float* reference = has_reference ? a.reference.row(row) : t;
      const double scale = static_cast<double>(a.scale[row]);
      for (index_t d = block.thread(); d < dimension; d += threads) {
        const float label = a.labels(row, a.segments(d));
        const float moved = o[d] - reference[d];
        const double difference = scale * static_cast<double>(moved * ((t[d] - reference[d]) + (t[d] - o[d])));
        if (has_reference) sums.divergence += scale * static_cast<double>(moved * moved);
        if (label > 0) {
          sums.winner += difference;
          sums.winners += 1;
        } else if (label < 0) {
          sums.loser += difference;
          sums.losers += 1;
        }
        if (!safeguarded || !(label > 0)) continue;
        const index_t other = row ^ 1;
        const double mine = scale * static_cast<double>(t[d] - o[d]);
        const double theirs =
            static_cast<double>(a.scale[other]) * static_cast<double>(a.target(other, d) - a.o(other, d));
        sums.winner_squared += mine * mine;
        sums.along += mine * theirs;
      }
    }
    sums = {block.sum(sums.winner), block.sum(sums.loser),   block.sum(sums.divergence), block.sum(sums.winner_squared),
            block.sum(sums.along),  block.sum(sums.winners), block.sum(sums.losers)};
    const preference_gradient made = finish_preference(sums, dimension, a.members, a.reduction, *a.loss);
    if (block.thread() == 0) a.scores[c] = made.result;
    for (index_t row = c * a.members; row < (c + 1) * a.members; ++row) {
      float* o = a.o.row(row);
      const double scale = static_cast<double>(a.scale[row]);
      for (index_t d = block.thread(); d < dimension; d += threads) {
        const float label = a.labels(row, a.segments(d));
        const double of_label = label > 0 ? made.on_winner : made.on_loser;
        const float factor = label == 0 ? 0.0f : static_cast<float>(scale * of_label);
        o[d] = factor * (a.target(row, d) - o[d]);
      }
    }
  }
};

}  // namespace detail

template <class Device, preconditioning P>
void corrupt_examples(device_backend<Device>& backend, const corrupted_examples<P>& a) {
  backend.for_each(a.noised.rows(), detail::corrupt_examples_element<P>{a});
}

template <class Device, preference_link Link>
void score_preferences(device_backend<Device>& backend, const scored_preferences<Link>& a) {
  const index_t comparisons = a.o.rows() / a.members;
  if (comparisons == 0) return;
  detail::check_dimension("score_preferences", a.o.cols());
  backend.executor(0).launch(comparisons, detail::score_preference_rows<Link>{a});
}

}  // namespace fewstep

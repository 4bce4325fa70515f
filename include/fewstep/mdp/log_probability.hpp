// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cmath>

namespace fewstep {

/// One transition: the state x[D] it starts from, the state x'[D] that was drawn, and its row of the step table.
struct scored_transition {
  const float* x;
  const float* next;
  const step_row* row;
};

namespace detail {

/// The log-density of D values with independent errors of one sigma is exponent - count * height. Whoever takes the
/// difference decides whether it is fused.
struct log_density {
  double exponent, count, height;
};

FEWSTEP_HD inline log_density log_density_of(double squares, index_t dimension, float sigma_of_row, reduction over) {
  constexpr double half_log_two_pi = 0.91893853320467274178;
  const double sigma = static_cast<double>(sigma_of_row), d = static_cast<double>(dimension);
  const double factor = over == reduction::mean ? 1.0 / d : 1.0;
  return {-squares * factor / (2.0 * sigma * sigma), d * factor, std::log(sigma) + half_log_two_pi};
}

}  // namespace detail

/// log pi(x' | x) of one transition under network output o[D], reduced over D:
///   reduce_d[ -(x'_d - a x_d - b o_d)^2 / (2 sigma^2) - ln sigma - ln(2 pi) / 2 ].
///
/// Kept out of line: the rollout and the replay must run the very same instructions on the same stored numbers, or a
/// compiler that contracts them differently makes the on-policy ratio differ from 1. Squares are summed in single
/// precision over 16 terms at a time and in double beyond.
[[gnu::noinline]] inline double log_probability(const scored_transition& t, const float* o, index_t dimension,
                                                reduction over) {
  constexpr index_t lanes = 16, chunk = 16 * lanes;
  const float a = t.row->a, b = t.row->b;
  const float *x = t.x, *next = t.next;
  double squares = 0;
  index_t first = 0;
  for (; first + lanes <= dimension; first += chunk) {
    const index_t last = std::min(dimension - lanes, first + chunk - lanes);
    float partial[lanes] = {};
    for (index_t i = first; i <= last; i += lanes)
      for (index_t lane = 0; lane < lanes; ++lane) {
        const float residual = next[i + lane] - a * x[i + lane] - b * o[i + lane];
        partial[lane] += residual * residual;
      }
    double sum = 0;
    for (const float value : partial) sum += static_cast<double>(value);
    squares += sum;
  }
  for (index_t i = dimension / lanes * lanes; i < dimension; ++i) {
    const float residual = next[i] - a * x[i] - b * o[i];
    squares += static_cast<double>(residual) * static_cast<double>(residual);
  }
  const detail::log_density density = detail::log_density_of(squares, dimension, t.row->sigma, over);
  return density.exponent - density.count * density.height;
}

}  // namespace fewstep

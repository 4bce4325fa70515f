// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/elementary.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/objective/reduction.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

/// Score kernel: log-probability, importance ratio, surrogate and their gradient for any sampler, since every
/// transition is affine-Gaussian in the network output: x' ~ N(a x + b o, sigma^2 I).

namespace fewstep {

/// One transition: the state x[D] it starts from, the state x'[D] that was drawn, and its row of the step table.
struct scored_transition {
  const float* x;
  const float* next;
  const step_row* row;
};

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
  constexpr double half_log_two_pi = 0.91893853320467274178;
  const double sigma = static_cast<double>(t.row->sigma), d = static_cast<double>(dimension);
  const double factor = over == reduction::mean ? 1.0 / d : 1.0;
  return -squares * factor / (2.0 * sigma * sigma) - d * factor * (std::log(sigma) + half_log_two_pi);
}

namespace detail {

/// |x - y|^2 in sixteen sums of single precision, which are added in double.
inline double squared_distance(const float* x, const float* y, index_t n) {
  constexpr index_t lanes = 16;
  const index_t whole = n / lanes * lanes;
  float partial[lanes] = {};
  for (index_t first = 0; first < whole; first += lanes)
    for (index_t lane = 0; lane < lanes; ++lane) {
      const float difference = x[first + lane] - y[first + lane];
      partial[lane] += difference * difference;
    }
  double squares = 0;
  for (const float sum : partial) squares += static_cast<double>(sum);
  for (index_t i = whole; i < n; ++i) {
    const float difference = x[i] - y[i];
    squares += static_cast<double>(difference) * static_cast<double>(difference);
  }
  return squares;
}

}  // namespace detail

/// What a replayed transition gave.
struct score {
  double log_probability;
  float log_ratio, ratio, value;
  double reference_kl;  ///< Gaussian KL(policy, reference), reduced over D; 0 without a reference
};

/// Scores one transition and turns the network output o[D] into the gradient of the loss with respect to it, in place:
///   loss = ( -objective(log pi - old, A) + coefficient KL(pi, pi_ref) ) / rows,
///   d log pi / d o = b (x' - a x - b o) / sigma^2,   KL = b^2 |o - o_ref|^2 / (2 sigma^2),   both over D for the mean.
/// `reference` (o_ref[D]) may be null.
template <objective Objective>
score score_transition(const scored_transition& t, float* o, index_t dimension, reduction over, const Objective& value,
                       double old_log_probability, float advantage, std::int32_t step, double rows,
                       const float* reference, float coefficient) {
  const double log_pi = log_probability(t, o, dimension, over);
  const float log_ratio = static_cast<float>(log_pi - old_log_probability);
  const surrogate s = value(transition{log_ratio, advantage, t.row->sigma, t.row->b, step});
  const double reduce = over == reduction::mean ? 1.0 / static_cast<double>(dimension) : 1.0;
  const double b = static_cast<double>(t.row->b),
               variance = static_cast<double>(t.row->sigma) * static_cast<double>(t.row->sigma);
  const float on_residual = static_cast<float>(-static_cast<double>(s.slope) * b * reduce / variance / rows);
  const float *x = t.x, *next = t.next;
  const float a_f = t.row->a, b_f = t.row->b;
  double squares = 0;
  if (reference == nullptr) {
    for (index_t i = 0; i < dimension; ++i) o[i] = on_residual * (next[i] - a_f * x[i] - b_f * o[i]);
  } else {
    squares = detail::squared_distance(o, reference, dimension);
    const float on_difference = static_cast<float>(static_cast<double>(coefficient) * b * b * reduce / variance / rows);
    for (index_t i = 0; i < dimension; ++i)
      o[i] = on_residual * (next[i] - a_f * x[i] - b_f * o[i]) + on_difference * (o[i] - reference[i]);
  }
  return {log_pi, log_ratio, exp_float(log_ratio), s.value, squares * b * b * reduce / (2.0 * variance)};
}

}  // namespace fewstep

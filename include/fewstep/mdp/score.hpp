// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/row_ranges.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/lane_sum.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/mdp/log_probability.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>
#include <fewstep/sampler/scored_range.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

/// Score kernel: log-probability, importance ratio, surrogate and their gradient for any sampler, since every
/// transition is affine-Gaussian in the network output: x' ~ N(a x + b o, sigma^2 I).

namespace fewstep {

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

/// The sum that gaussian_log_ratio is made of, added up alike.
inline double log_ratio_sum(const scored_transition& t, const float* o, const float* other, index_t n) {
  const float a = t.row->a, b = t.row->b;
  const float *x = t.x, *next = t.next;
  return lane_sum<float>(n, [=](index_t i) {
    const float difference = o[i] - other[i], residual = next[i] - a * x[i] - b * o[i];
    return difference * (2.0f * residual + b * difference);
  });
}

}  // namespace detail

/// What a replayed transition gave.
struct score {
  double log_probability;
  float log_ratio, ratio, value;
  double reference_kl;    ///< the KL estimate of policy and reference, reduced over D; 0 without a reference
  double divergence = 0;  ///< Gaussian KL(policy, policy of the rollout), likewise; 0 where outputs were not stored
};

/// A network output that o is compared with: data[D], or null.
struct compared_outputs {
  const float* reference = nullptr;  ///< o_ref of a frozen policy
  const float* old = nullptr;        ///< o of the rollout
};

namespace detail {

/// Sums over the values of o - other for either of compared_outputs: of squares, and of what gaussian_log_ratio takes
/// where the KL estimate is of the action that was taken.
struct compared_sums {
  double reference = 0, old = 0;
  bool has_reference = false;
};

/// What a transition's log-probability makes of its score and of the gradient, which is
///   on_residual (x' - a x - b o) + on_reference (o - o_ref) + on_old (o - o_old).
struct scored {
  score result;
  float on_residual, on_reference, on_old;
};

/// See score_transition; `dimension` values are scored.
template <objective Objective, class Estimate>
FEWSTEP_HD scored score_of(double log_pi, compared_sums sums, const step_row& row, index_t dimension, reduction over,
                           const Objective& value, double old_log_probability, float advantage, std::int32_t step,
                           double rows, float coefficient, const Estimate& estimate) {
  const float log_ratio = static_cast<float>(log_pi - old_log_probability);
  const double values = static_cast<double>(dimension);
  const double reduce = over == reduction::mean ? 1.0 / values : 1.0;
  const double b = static_cast<double>(row.b),
               variance = static_cast<double>(row.sigma) * static_cast<double>(row.sigma);
  transition t{log_ratio, advantage, row, step};
  double divergence = 0;
  if constexpr (needs_old_outputs<Objective>) {
    divergence = gaussian_kl(sums.old, row, reduce);
    t.divergence = static_cast<float>(divergence);
  }
  const surrogate s = value(t);
  float on_old = 0;
  if constexpr (needs_old_outputs<Objective>)
    on_old = static_cast<float>(-static_cast<double>(s.divergence_slope) * b * b * reduce / variance / rows);
  double slope = -static_cast<double>(s.slope);
  kl_term kl{};
  float on_reference = 0;
  if (sums.has_reference) {
    if constexpr (needs_taken_action<Estimate>) {
      const double log_importance = log_pi - old_log_probability;
      kl = estimate(taken_action{gaussian_log_ratio(sums.reference, row),
                                 over == reduction::mean ? log_importance * values : log_importance});
      kl.value *= reduce;
      slope += static_cast<double>(coefficient) * kl.slope;
    } else {
      kl = estimate(gaussian_pair{gaussian_kl(sums.reference, row, reduce)});
      on_reference = static_cast<float>(static_cast<double>(coefficient) * kl.slope * b * b * reduce / variance / rows);
    }
  }
  return {{log_pi, log_ratio, exp_float(log_ratio), s.value, kl.value, divergence},
          static_cast<float>(slope * b * reduce / variance / rows),
          on_reference,
          on_old};
}

}  // namespace detail

/// Scores one transition and turns the network output o[D] into the gradient of the loss with respect to it, in place:
///   loss = ( -objective(log pi - old, KL(pi, pi_old), A) + coefficient KL(pi, pi_ref) ) / rows,
///   d log pi / d o = b (x' - a x - b o) / sigma^2,   KL(pi, pi_ref) = b^2 |o - o_ref|^2 / (2 sigma^2),
/// all over D for the mean; another KL estimate takes the place of the last (regularizer/kl_estimate.hpp). An objective
/// with needs_old_outputs must be given other.old.
template <objective Objective, class Estimate = kl_estimate::exact>
[[gnu::always_inline]] inline score score_transition(const scored_transition& t, float* o, index_t dimension,
                                                     reduction over, const Objective& value, double old_log_probability,
                                                     float advantage, std::int32_t step, double rows,
                                                     compared_outputs other, float coefficient,
                                                     const Estimate& estimate = {}) {
  constexpr bool of_action = detail::needs_taken_action<Estimate>;
  const double log_pi = log_probability(t, o, dimension, over);
  detail::compared_sums sums{.has_reference = other.reference != nullptr};
  if (sums.has_reference)
    sums.reference = of_action ? detail::log_ratio_sum(t, o, other.reference, dimension)
                               : detail::squared_distance(o, other.reference, dimension);
  if constexpr (detail::needs_old_outputs<Objective>) sums.old = detail::squared_distance(o, other.old, dimension);
  const detail::scored scored = detail::score_of(log_pi, sums, *t.row, dimension, over, value, old_log_probability,
                                                 advantage, step, rows, coefficient, estimate);
  const float on_residual = scored.on_residual, on_reference = scored.on_reference;
  const float *x = t.x, *next = t.next, *reference = of_action ? nullptr : other.reference;
  const float a = t.row->a, b = t.row->b;
  if constexpr (detail::needs_old_outputs<Objective>) {
    // o is overwritten, so all of the gradient is written in one pass.
    const float on_old = scored.on_old, on_zero = reference == nullptr ? 0.0f : on_reference;
    if (reference == nullptr) reference = other.old;
    for (index_t i = 0; i < dimension; ++i)
      o[i] = on_residual * (next[i] - a * x[i] - b * o[i]) + on_zero * (o[i] - reference[i]) +
             on_old * (o[i] - other.old[i]);
  } else if (reference == nullptr) {
    for (index_t i = 0; i < dimension; ++i) o[i] = on_residual * (next[i] - a * x[i] - b * o[i]);
  } else {
    for (index_t i = 0; i < dimension; ++i)
      o[i] = on_residual * (next[i] - a * x[i] - b * o[i]) + on_reference * (o[i] - reference[i]);
  }
  return scored.result;
}

/// What of the loss may change from update to update: read when an operation runs, so that recorded work follows it.
template <objective Objective, class Estimate = kl_estimate::exact>
struct loss_settings {
  Objective value;
  float coefficient = 0;  ///< of the KL to the reference
  double rows = 1;        ///< that the loss is the mean of
  Estimate estimate{};    ///< of that KL
};

/// Transitions that are scored together: states x[N, D] and those that followed, next[N, D]; outputs o[N, D] become the
/// gradient of the loss (score_transition), and scores[N] say what each gave. See transition_rows for where they come
/// from. Only coordinates in `scored` count; the gradient of the others is 0.
template <objective Objective, class Estimate = kl_estimate::exact>
struct scored_rows {
  using objective_type = Objective;
  using estimate_type = Estimate;

  matrix<const float> x, next;
  matrix<float> o;
  matrix<const float> reference;                ///< o_ref[N, D], or null
  matrix<const float> old_output{};             ///< o of the rollout [N, D], for objectives that need it
  const std::int32_t* step = nullptr;           ///< [N], row of the table
  const double* old_log_probability = nullptr;  ///< [N]
  const float* advantage = nullptr;             ///< [N]
  const step_row* table = nullptr;
  const loss_settings<Objective, Estimate>* settings = nullptr;
  score* scores = nullptr;
  fewstep::reduction reduction = fewstep::reduction::mean;
  scored_range scored{};
};

namespace detail {

/// Refuses an objective whose trust region asks for outputs that the trajectory does not hold.
template <objective Objective, class Estimate>
void check_old_outputs(const scored_rows<Objective, Estimate>& a) {
  if constexpr (needs_old_outputs<Objective>)
    expects(a.old_output.data != nullptr || a.o.rows() == 0,
            "score_rows: the objective measures how far the policy moved, but the trajectory keeps no network outputs; "
            "make it with trajectory_options{.keeps_outputs = true}");
}

}  // namespace detail

template <class Backend, objective Objective, class Estimate>
requires on_host<Backend>
void score_rows(Backend& backend, const scored_rows<Objective, Estimate>& wanted) {
  detail::check_old_outputs(wanted);
  constexpr index_t old_outputs = detail::needs_old_outputs<Objective> ? 1 : 0;
  const index_t arrays = 3 + (wanted.reference.data == nullptr ? 0 : 1) + old_outputs;
  for_row_ranges(backend, wanted.o.rows(), arrays * wanted.o.cols(), [&wanted](index_t from, index_t to) {
    // What is written might otherwise be members of these, for all the compiler knows.
    const scored_rows<Objective, Estimate> a = wanted;
    const loss_settings<Objective, Estimate> settings = *a.settings;
    const index_t dimension = a.o.cols(), first = a.scored.first, count = a.scored.size(dimension);
    for (index_t i = from; i < to; ++i) {
      const std::int32_t step = a.step[i];
      const index_t at = i * dimension + first;
      const compared_outputs other{a.reference.data == nullptr ? nullptr : a.reference.data + at,
                                   detail::needs_old_outputs<Objective> ? a.old_output.data + at : nullptr};
      a.scores[i] = score_transition({a.x.data + at, a.next.data + at, a.table + step}, a.o.data + at, count,
                                     a.reduction, settings.value, a.old_log_probability[i], a.advantage[i], step,
                                     settings.rows, other, settings.coefficient, settings.estimate);
    }
    if (a.scored.is_all()) return;
    for (index_t i = from; i < to; ++i) {
      float* o = a.o.row(i);
      std::fill(o, o + first, 0.0f);
      std::fill(o + first + count, o + dimension, 0.0f);
    }
  });
}

}  // namespace fewstep

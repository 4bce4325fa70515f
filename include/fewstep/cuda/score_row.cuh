// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/config.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/row_segments.cuh>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cstdint>

/// What the threads of a score kernel load of a row, and what its sums make of it.

namespace fewstep::detail {

/// The outputs that o is compared with: the reference's if there is one, then the rollout's if the objective asks.
/// Their differences are `kept` for the gradient, but for the reference's where the KL estimate is of the action taken.
template <bool Referenced, class Rows>
struct compared {
  static constexpr bool of_action = needs_taken_action<typename Rows::estimate_type>;
  static constexpr bool has_old = needs_old_outputs<typename Rows::objective_type>;
  static constexpr int first_old = Referenced ? 1 : 0, count = first_old + (has_old ? 1 : 0);
  static constexpr int first_kept = Referenced && of_action ? 1 : 0, kept = count - first_kept;

  [[nodiscard]] FEWSTEP_HD static const float* row(const Rows& a, int other, index_t i) {
    return Referenced && other == 0 ? a.reference.row(i) : a.old_output.row(i);
  }
  [[nodiscard]] FEWSTEP_HD static compared_sums sums(const double (&of)[count + 1]) {
    compared_sums s{0, 0, Referenced};
    if constexpr (Referenced) s.reference = of[1];
    if constexpr (has_old) s.old = of[1 + first_old];
    return s;
  }
};

/// The factors of a row's gradient: on the residual, then on each difference that is kept.
template <int Kept>
struct gradient_factors {
  float of[1 + Kept];

  template <class Compared>
  FEWSTEP_HD static gradient_factors from(const scored& done) {
    gradient_factors f;
    f.of[0] = done.on_residual;
    if constexpr (Compared::first_old > Compared::first_kept) f.of[1] = done.on_reference;
    if constexpr (Compared::has_old) f.of[Kept] = done.on_old;
    return f;
  }
};

/// The row that some threads are at.
template <bool Referenced, class Rows>
struct score_row {
  using others = compared<Referenced, Rows>;

  index_t i;
  std::int32_t step;
  step_row coefficients;
  int dimension;

  FEWSTEP_HD score_row(const Rows& a, index_t transition)
      : i(transition), step(a.step[transition]), coefficients(a.table[step]), dimension(static_cast<int>(a.o.cols())) {}

  /// Residual and differences of values [at, at + 4) of the row, 0 for values that are not scored: keep(k, d) for the
  /// k-th of those that are kept, add(d) for what the log-ratio to the reference is made of.
  template <bool Packets, class Keep, class Add>
  FEWSTEP_HD void load(const Rows& a, int at, int n, float_packet& residual, const Keep& keep, const Add& add) const {
    const float_packet xs = load_values<Packets>(a.x.row(i), at, n), nexts = load_values<Packets>(a.next.row(i), at, n),
                       os = load_values<Packets>(a.o.row(i), at, n);
    for (int k = 0; k < 4; ++k) residual[k] = residual_of(nexts[k], xs[k], os[k], coefficients.a, coefficients.b);
    clear_unscored(a, at, residual);
    for (int other = 0; other < others::count; ++other) {
      float_packet difference = load_values<Packets>(others::row(a, other, i), at, n);
      for (int k = 0; k < 4; ++k) difference[k] = os[k] - difference[k];
      clear_unscored(a, at, difference);
      if (other >= others::first_kept)
        keep(other - others::first_kept, difference);
      else
        add(difference);
    }
  }

  /// `sums`: squares of the residuals, then of each difference; of the reference's, what gaussian_log_ratio takes where
  /// the KL estimate is of the action.
  [[nodiscard]] FEWSTEP_HD scored finish(const Rows& a, const double (&sums)[others::count + 1]) const {
    const auto& settings = *a.settings;
    const index_t scored = a.scored.size(dimension);
    return score_of(log_probability_of(sums[0], scored, coefficients.sigma, a.reduction), others::sums(sums),
                    coefficients, scored, a.reduction, settings.value, a.old_log_probability[i], a.advantage[i], step,
                    settings.rows, settings.coefficient, settings.estimate);
  }

 private:
  /// Rows are shared out and added up by their length alone, as in the rollout, whatever is scored of them.
  FEWSTEP_HD static void clear_unscored(const Rows& a, int at, float_packet& values) {
    if (a.scored.is_all()) return;
    const int first = static_cast<int>(a.scored.first), count = static_cast<int>(a.scored.count);
    for (int k = 0; k < 4; ++k)
      if (!is_scored(at + k, first, count)) values[k] = 0;
  }
};

}  // namespace fewstep::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/row_ranges.hpp>
#include <fewstep/core/config.hpp>
#include <fewstep/core/lane_sum.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/link.hpp>
#include <fewstep/preference/segment_map.hpp>
#include <fewstep/preference/winner_safeguard.hpp>

/// The score kernel of preferences: log-ratios of the rows of a comparison, its loss, and the gradient by the network's
/// outputs. See preference_rows.

namespace fewstep {

/// What a comparison gave. Log-ratios are reduced over the coordinates that are not tied.
struct preference_score {
  double loss = 0;
  double winner = 0, loser = 0;  ///< log-ratios
  double divergence = 0;   ///< the mean over its rows of scale |o - o_ref|^2, reduced over D: KL(pi, pi_ref); or 0
  double loser_scale = 1;  ///< of the safeguard
  bool has_winner = false, has_loser = false;

  /// Whether there is nothing to learn.
  [[nodiscard]] bool is_tie() const { return !has_winner && !has_loser; }
};

/// What of the loss may change from update to update: read when an operation runs.
template <preference_link Link>
struct preference_loss {
  Link link{};
  winner_safeguard safeguard{};
  double comparisons = 1;  ///< that the loss is the mean of
  double batch_mean = 0;   ///< for a link that needs_batch_mean
};

/// Comparisons that are scored together, as preference_rows has them: outputs o[N, D] become the gradient of the loss,
/// and scores[N / members] say what each gave. Without a reference its outputs count as the targets themselves, so that
/// log-ratios are -scale |target - o|^2.
template <preference_link Link>
struct scored_preferences {
  using link_type = Link;

  matrix<float> o;
  matrix<const float> target;
  matrix<const float> reference;  ///< o_ref[N, D], or null
  const float* scale = nullptr;   ///< [N]
  matrix<const float> labels;     ///< [N, F]
  segment_map segments{};
  int members = 2;
  fewstep::reduction reduction = fewstep::reduction::mean;
  const preference_loss<Link>* loss = nullptr;
  preference_score* scores = nullptr;
};

namespace detail {

/// What the coordinates of a comparison add up to.
struct preference_sums {
  double winner = 0, loser = 0;    ///< of scale (|target - o_ref|^2 - |target - o|^2), by label
  double divergence = 0;           ///< of scale |o - o_ref|^2
  double winner_squared = 0;       ///< of |scale (target - o)|^2 where a row is preferred
  double along = 0;                ///< of the product of that with the other member's
  double winners = 0, losers = 0;  ///< coordinates
};

/// What the gradient is made of: on_winner scale (target - o) where a row is preferred, on_loser ... where the other
/// is.
struct preference_gradient {
  preference_score result;
  double on_winner, on_loser;
};

template <preference_link Link>
[[nodiscard]] FEWSTEP_HD preference_gradient finish_preference(const preference_sums& sums, index_t dimension,
                                                               int members, reduction over,
                                                               const preference_loss<Link>& loss) {
  const double labelled = (sums.winners + sums.losers) / members;
  const bool mean = over == reduction::mean;
  const double reduce = mean && labelled > 0 ? 1 / labelled : 1.0;
  preference_gradient made{};
  preference_score& s = made.result;
  s.winner = sums.winner * reduce;
  s.loser = sums.loser * reduce;
  s.has_winner = sums.winners > 0;
  s.has_loser = sums.losers > 0;
  s.divergence = sums.divergence / (mean ? static_cast<double>(dimension) * members : members);
  const link_value value = loss.link({s.winner, s.loser, s.has_winner, s.has_loser, loss.batch_mean});
  s.loss = value.loss;
  s.loser_scale =
      loss.safeguard(value.winner * value.winner * sums.winner_squared, -value.winner * value.loser * sums.along);
  made.on_winner = 2 * reduce * value.winner / loss.comparisons;
  made.on_loser = 2 * reduce * value.loser * s.loser_scale / loss.comparisons;
  return made;
}

/// |t - r|^2 - |t - o|^2 = <o - r, 2 t - r - o> over n values, which is 0 where o is r.
template <class Real>
[[nodiscard]] double error_difference(const Real* o, const Real* r, const Real* t, index_t n) {
  return lane_sum<Real>(n, [=](index_t i) { return (o[i] - r[i]) * ((t[i] - r[i]) + (t[i] - o[i])); });
}
/// <x - y, x2 - y2> over n values.
template <class Real>
[[nodiscard]] double difference_product(const Real* x, const Real* y, const Real* x2, const Real* y2, index_t n) {
  return lane_sum<Real>(n, [=](index_t i) { return (x[i] - y[i]) * (x2[i] - y2[i]); });
}

/// The sums of comparison c.
template <preference_link Link>
[[nodiscard]] preference_sums sum_preference(const scored_preferences<Link>& a, index_t c) {
  const index_t dimension = a.o.cols(), run = a.segments.run(dimension);
  const bool safeguarded = a.loss->safeguard.is_on && a.members == 2;
  preference_sums sums;
  for (index_t row = c * a.members; row < (c + 1) * a.members; ++row) {
    const float *o = a.o.row(row), *t = a.target.row(row);
    const bool has_reference = a.reference.data != nullptr;
    const float* reference = has_reference ? a.reference.row(row) : t;
    const double scale = static_cast<double>(a.scale[row]);
    for (index_t first = 0; first < dimension; first += run) {
      const float label = a.labels(row, a.segments(first));
      const float *from = o + first, *to = reference + first;
      if (has_reference) sums.divergence += scale * difference_product(from, to, from, to, run);
      const double difference = scale * error_difference(from, to, t + first, run);
      if (label > 0) {
        sums.winner += difference;
        sums.winners += static_cast<double>(run);
      } else if (label < 0) {
        sums.loser += difference;
        sums.losers += static_cast<double>(run);
      }
      if (!safeguarded || !(label > 0)) continue;
      const index_t other = row ^ 1;
      const auto product = [&](index_t with) {
        return scale * static_cast<double>(a.scale[with]) *
               difference_product(t + first, o + first, a.target.row(with) + first, a.o.row(with) + first, run);
      };
      sums.winner_squared += product(row);
      sums.along += product(other);
    }
  }
  return sums;
}

/// The outputs of a comparison become the gradient.
template <preference_link Link>
void write_gradient(const scored_preferences<Link>& a, index_t c, const preference_gradient& made) {
  const index_t dimension = a.o.cols(), run = a.segments.run(dimension);
  for (index_t row = c * a.members; row < (c + 1) * a.members; ++row) {
    float* o = a.o.row(row);
    const float* t = a.target.row(row);
    const double scale = static_cast<double>(a.scale[row]);
    for (index_t first = 0; first < dimension; first += run) {
      const float label = a.labels(row, a.segments(first));
      const double of_label = label > 0 ? made.on_winner : made.on_loser;
      const float factor = label == 0 ? 0.0f : static_cast<float>(scale * of_label);
      for (index_t d = first; d < first + run; ++d) o[d] = factor * (t[d] - o[d]);
    }
  }
}

}  // namespace detail

template <class Backend, preference_link Link>
requires on_host<Backend>
void score_preferences(Backend& backend, const scored_preferences<Link>& wanted) {
  const index_t comparisons = wanted.o.rows() / wanted.members;
  for_row_ranges(backend, comparisons, 3 * wanted.members * wanted.o.cols(), [&wanted](index_t from, index_t to) {
    // What is written might otherwise be members of these, for all the compiler knows.
    const scored_preferences<Link> a = wanted;
    for (index_t c = from; c < to; ++c) {
      const detail::preference_gradient made =
          detail::finish_preference(detail::sum_preference(a, c), a.o.cols(), a.members, a.reduction, *a.loss);
      a.scores[c] = made.result;
      detail::write_gradient(a, c, made);
    }
  });
}

}  // namespace fewstep

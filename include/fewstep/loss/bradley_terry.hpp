// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cmath>

namespace fewstep {

/// What bradley_terry_loss gave beside the gradient.
struct bradley_terry_report {
  double loss = 0;
  double accuracy = 0;  ///< share of pairs whose winner has the higher reward; equal ones count one half
};

/// Negative log-likelihood of preferences under the model of Bradley and Terry (1952), by which a beats b with
/// probability sigmoid(r_a - r_b) (Christiano et al. 2017, arXiv:1706.03741, eq. 1): the mean over the pairs of
///   -(1 - smoothing) log sigmoid(r_w - r_l) - smoothing log sigmoid(r_l - r_w).
/// `smoothing` is the share of labels that are taken to be wrong (label smoothing); it bounds r_w - r_l by the
/// logarithm of (1 - smoothing) / smoothing.
///
/// rewards[2P]: those of the P winners, then those of the losers. Overwrites gradient[2P] with d loss / d rewards.
template <class T>
bradley_terry_report bradley_terry_loss(input<vec<const T>> rewards, double smoothing, vec<T> gradient) {
  const index_t pairs = rewards.size() / 2;
  expects(pairs > 0 && rewards.size() == 2 * pairs && gradient.size() == rewards.size(), [&] {
    return message("bradley_terry_loss: there are ", rewards.size(), " rewards and room for ", gradient.size(),
                   " derivatives; give two of each for every pair, and at least one pair");
  });
  const double share = 1.0 / static_cast<double>(pairs);
  bradley_terry_report report;
  for (index_t i = 0; i < pairs; ++i) {
    const double margin = static_cast<double>(rewards[i]) - static_cast<double>(rewards[pairs + i]);
    const double small = std::exp(-std::abs(margin)), rest = std::log1p(small);
    const double win = std::max(-margin, 0.0) + rest, loss = std::max(margin, 0.0) + rest;
    const double lost = (margin > 0 ? small : 1.0) / (1.0 + small);  // sigmoid(-margin)
    report.loss += share * ((1.0 - smoothing) * win + smoothing * loss);
    report.accuracy += share * (margin > 0 ? 1.0 : margin == 0 ? 0.5 : 0.0);
    const double slope = share * (smoothing - lost);
    gradient[i] = static_cast<T>(slope);
    gradient[pairs + i] = static_cast<T>(-slope);
  }
  return report;
}

}  // namespace fewstep

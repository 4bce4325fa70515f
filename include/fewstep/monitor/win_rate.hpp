// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/monitor/bootstrap.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fewstep {

/// How often samples of one model are better than those of another, in the eyes of a judge.
struct win_rate {
  double rate, low, high;  ///< share that is won, a tie being half of one, and its interval
  double ties;             ///< share
  index_t clusters, comparisons;

  /// Whether the interval lies above one half.
  [[nodiscard]] bool is_won() const { return low > 0.5; }
};

/// The win rate of samples with the scores `ours` against those with the scores `theirs`, one by one, and its interval
/// with the clusters (prompts) as the independent units: clustered_mean of 1 for a win, 1/2 for a tie and 0, cut at 0
/// and 1. Where all are won, or none is, the variance says nothing, and the other end is that of Clopper and Pearson
/// (1934) for n of n clusters: ((1 - confidence) / 2)^(1/n) where all are won.
///
///   const win_rate after_training = win_rate_of(after, before, prompts);   // scores of the same noise, say
///
/// Scores that differ by no more than `tie` are equal. Throws std::invalid_argument for other numbers of scores and
/// clusters, and for a score that is not finite, naming it.
[[nodiscard]] inline win_rate win_rate_of(std::span<const float> ours, std::span<const float> theirs,
                                          std::span<const std::int32_t> cluster, float tie = 0,
                                          double confidence = 0.95) {
  expects(!ours.empty() && ours.size() == theirs.size() && ours.size() == cluster.size(), [&] {
    return message("win_rate_of: ", ours.size(), " scores are compared with ", theirs.size(), ", of ", cluster.size(),
                   " clusters; give as many of each, and at least one");
  });
  std::vector<double> won;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    expects(std::isfinite(ours[i]) && std::isfinite(theirs[i]), [&] {
      return message("win_rate_of: the scores of comparison ", i, " are ", ours[i], " and ", theirs[i],
                     "; both must be finite: check the judge");
    });
    const float more = ours[i] - theirs[i];
    won.push_back(std::abs(more) <= tie ? 0.5 : more > 0 ? 1 : 0);
  }
  const mean_interval found = clustered_mean(won, cluster, confidence);
  std::vector<std::int32_t> different(cluster.begin(), cluster.end());
  std::sort(different.begin(), different.end());
  const auto clusters = std::unique(different.begin(), different.end()) - different.begin();
  win_rate made{found.mean,
                std::max(0.0, found.low),
                std::min(1.0, found.high),
                static_cast<double>(std::count(won.begin(), won.end(), 0.5)) / static_cast<double>(won.size()),
                clusters,
                static_cast<index_t>(won.size())};
  const double least = std::pow((1 - confidence) / 2, 1 / static_cast<double>(clusters));
  if (found.mean == 1) made.low = least;
  if (found.mean == 0) made.high = 1 - least;
  return made;
}

}  // namespace fewstep

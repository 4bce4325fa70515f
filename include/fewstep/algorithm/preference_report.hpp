// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/figure.hpp>

#include <array>
#include <cstdint>

namespace fewstep {

/// What one update of preference_optimization did. Figures are means over its comparisons but for ties, where no other
/// is named; log-ratios are those of policy and reference before an optimizer step, and exactly 0 while they are one.
struct preference_report {
  std::int64_t index = 0;
  double loss = 0;    ///< over all comparisons; exactly log 2 at the reference with a logistic link (unsmoothed)
  double margin = 0;  ///< log-ratio of the winner less that of the loser
  double winner_log_ratio = 0;  ///< falls below 0 where what is preferred is being lost
  double loser_log_ratio = 0;
  double accuracy = 0;          ///< share whose margin is above 0, of those with a winner and a loser
  double displaced = 0;         ///< share whose winner has become less likely than under the reference
  double ties = 0;              ///< share of all comparisons from which nothing is learned
  double reference_kl = 0;      ///< KL(policy, reference) of a row, reduced over D, over all rows
  double loser_scale = 0;       ///< of the winner_safeguard; 1 where it changed nothing
  double gradient_norm = 0;     ///< before clipping; the largest of the update's optimizer steps
  double sampling_seconds = 0;  ///< until the comparisons were there
  double training_seconds = 0;

  /// All numbers by the names that they have in every log.
  [[nodiscard]] static constexpr auto figures() {
    using report = preference_report;
    return std::array{figure_of<&report::loss>("loss"),
                      figure_of<&report::margin>("margin"),
                      figure_of<&report::winner_log_ratio>("winner_log_ratio"),
                      figure_of<&report::loser_log_ratio>("loser_log_ratio"),
                      figure_of<&report::accuracy>("accuracy"),
                      figure_of<&report::displaced>("displaced"),
                      figure_of<&report::ties>("ties"),
                      figure_of<&report::reference_kl>("reference_kl"),
                      figure_of<&report::loser_scale>("loser_scale"),
                      figure_of<&report::gradient_norm>("gradient_norm"),
                      figure_of<&report::sampling_seconds>("sampling_seconds", "s"),
                      figure_of<&report::training_seconds>("training_seconds", "s")};
  }
};

}  // namespace fewstep

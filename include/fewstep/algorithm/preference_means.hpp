// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/preference_report.hpp>
#include <fewstep/preference/score_preferences.hpp>

namespace fewstep {

/// The means of scores as they come, of which equal ones have exactly their value.
class preference_means {
 public:
  void add(const preference_score& s) {
    all_ += 1;
    into(report_.loss, s.loss, all_);
    into(report_.reference_kl, s.divergence, all_);
    into(report_.ties, s.is_tie() ? 1 : 0, all_);
    if (s.is_tie()) return;
    into(report_.loser_scale, s.loser_scale, ++learned_);
    if (s.has_winner) {
      into(report_.winner_log_ratio, s.winner, ++winners_);
      into(report_.displaced, s.winner < 0 ? 1 : 0, winners_);
    }
    if (s.has_loser) into(report_.loser_log_ratio, s.loser, ++losers_);
    if (!s.has_winner || !s.has_loser) return;
    into(report_.margin, s.winner - s.loser, ++pairs_);
    into(report_.accuracy, s.winner > s.loser ? 1 : 0, pairs_);
  }
  /// Whether there was anything to learn.
  [[nodiscard]] bool is_empty() const { return learned_ == 0; }
  [[nodiscard]] const preference_report& report() const { return report_; }

 private:
  static void into(double& mean, double value, double count) { mean += (value - mean) / count; }

  preference_report report_{};
  double all_ = 0, learned_ = 0, winners_ = 0, losers_ = 0, pairs_ = 0;
};

}  // namespace fewstep

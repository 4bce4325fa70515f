// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/preference/link.hpp>

#include <string_view>

namespace fewstep {

/// 1 - sigmoid(w (beta log-ratio - q)) of every member, w = 1 for what is desirable and -1 for what is not, and the
/// mean over the members of a comparison: human utility as Kahneman and Tversky have it, for samples that were judged
/// one by one. q = max(0, beta mean log-ratio of the optimizer step's rows) estimates the KL to the reference and is
/// not differentiated. Source: Li et al. 2024, Diffusion-KTO, arXiv:2404.04465, equation 8 (there the mean is over
/// mismatched prompts and samples, which would cost as many network calls again).
struct utility_link {
  float beta = 1;

  static constexpr bool needs_batch_mean = true;
  static constexpr std::string_view name = "utility_link";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("beta", beta, above(0));
  }

  [[nodiscard]] FEWSTEP_HD link_value operator()(const member_log_ratios& r) const {
    const double b = static_cast<double>(beta), q = r.batch_mean > 0 ? b * r.batch_mean : 0.0;
    const double members = r.has_winner && r.has_loser ? 2 : 1;
    link_value value{0, 0, 0};
    if (r.has_winner) {
      const double missed = detail::logistic(q - b * r.winner);
      value.loss += missed / members;
      value.winner = -b * missed * (1 - missed) / members;
    }
    if (r.has_loser) {
      const double missed = detail::logistic(b * r.loser - q);
      value.loss += missed / members;
      value.loser = b * missed * (1 - missed) / members;
    }
    return value;
  }
};

}  // namespace fewstep

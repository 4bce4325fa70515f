// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/preference/link.hpp>

#include <string_view>

namespace fewstep {

/// -log sigmoid(z), z = beta (log-ratio of the winner - that of the loser): the negative log-likelihood of a
/// Bradley-Terry model whose reward is beta log pi / pi_ref (Rafailov et al. 2023, arXiv:2305.18290, equation 7;
/// Wallace et al. 2023, arXiv:2311.12908, equation 14). With label_smoothing e, a share e of the labels is taken to be
/// wrong: (1 - e) of that loss and e of the one with the members exchanged.
struct logistic_link {
  float beta = 1;
  float label_smoothing = 0;

  static constexpr std::string_view name = "logistic_link";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("beta", beta, above(0));
    visit("label_smoothing", label_smoothing, at_least(0).below(0.5));
  }

  [[nodiscard]] FEWSTEP_HD link_value operator()(const member_log_ratios& r) const {
    const double b = static_cast<double>(beta), e = static_cast<double>(label_smoothing);
    const double z = b * (r.winner - r.loser);
    const double slope = -(1 - e) * b * detail::logistic(-z) + e * b * detail::logistic(z);
    return {(1 - e) * detail::softplus(-z) + e * detail::softplus(z), slope, -slope};
  }
};

}  // namespace fewstep

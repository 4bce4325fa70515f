// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/preference/link.hpp>

#include <cmath>
#include <string_view>

namespace fewstep {

/// m_w - beta log sigmoid(T (odds(m_w) - odds(m_l))), odds(m) = u / (e^u - 1) with u = m / 2: the winner is fitted and
/// its odds are raised above the loser's, without a reference (MaPO). m is the mean squared error of the network's
/// output, so rows are to have scale 1/2 and the reduction the mean. Source: Hong et al. 2024, arXiv:2406.06424, with
/// the constants of the published code: T is the number of its timesteps, and 1/2 stands for the signal-to-noise ratio.
struct odds_ratio_link {
  float beta = 0.1f;
  float timesteps = 1000;

  static constexpr bool refuses_reference = true;
  static constexpr std::string_view name = "odds_ratio_link";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("beta", beta, at_least(0));
    visit("timesteps", timesteps, above(0));
  }

  [[nodiscard]] FEWSTEP_HD link_value operator()(const member_log_ratios& r) const {
    const double b = static_cast<double>(beta), t = static_cast<double>(timesteps);
    const double of_winner = -r.winner, of_loser = -r.loser;  // u: without a reference, log-ratios are -m / 2
    const double z = t * (odds(of_winner) - odds(of_loser));
    const double slope = b * detail::logistic(-z) * t;
    return {2 * of_winner + b * detail::softplus(-z), -2 + slope * odds_slope(of_winner),
            -slope * odds_slope(of_loser)};
  }

 private:
  /// u / (e^u - 1), which is 1 at 0.
  [[nodiscard]] FEWSTEP_HD static double odds(double u) {
    return std::abs(u) < 1e-5 ? 1 - u / 2 + u * u / 12 : u / std::expm1(u);
  }
  [[nodiscard]] FEWSTEP_HD static double odds_slope(double u) {
    if (std::abs(u) < 1e-3) return -0.5 + u / 6;
    const double q = std::exp(-u), rest = -std::expm1(-u);  // e^u would overflow
    return q * (rest - u) / (rest * rest);
  }
};

}  // namespace fewstep

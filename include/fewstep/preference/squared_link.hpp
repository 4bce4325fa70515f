// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/preference/link.hpp>

#include <string_view>

namespace fewstep {

/// (h - 1 / (2 beta))^2, h the log-ratio of the winner less that of the loser (IPO): pairs are told apart by a margin
/// and no further, however sure the labels are. Source: Azar et al. 2023, arXiv:2310.12036, equation 17.
struct squared_link {
  float beta = 1;

  static constexpr std::string_view name = "squared_link";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("beta", beta, above(0));
  }

  [[nodiscard]] FEWSTEP_HD link_value operator()(const member_log_ratios& r) const {
    const double off = r.winner - r.loser - 0.5 / static_cast<double>(beta);
    return {off * off, 2 * off, -2 * off};
  }
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/preference/link.hpp>

#include <string_view>

namespace fewstep {

/// max(0, 1 - z), z = beta (log-ratio of the winner - that of the loser): a pair that is told apart by enough is left
/// alone. Source: Zhao et al. 2023, SLiC-HF, arXiv:2305.10425, equation 1, on log-ratios as in Liu et al. 2023,
/// arXiv:2309.06657, section 3.
struct hinge_link {
  float beta = 1;

  static constexpr std::string_view name = "hinge_link";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("beta", beta, above(0));
  }

  [[nodiscard]] FEWSTEP_HD link_value operator()(const member_log_ratios& r) const {
    const double b = static_cast<double>(beta), short_of = 1 - b * (r.winner - r.loser);
    return short_of > 0 ? link_value{short_of, -b, b} : link_value{0, 0, 0};
  }
};

}  // namespace fewstep

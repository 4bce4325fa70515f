// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/preference/link.hpp>

#include <string_view>

namespace fewstep {

/// scale (log-ratio of the loser - that of the winner): what is preferred is fitted and what is not is unfitted, by
/// equal force and for ever. It needs no reference, which adds a constant, and no pairs. With rows of scale 1/2 and
/// scale = 2 it is the mean error of the winners less that of the losers: direct reward optimization, Li et al. 2025,
/// arXiv:2503.22677, section 3. Unbounded below: stop early, or train few parameters.
struct identity_link {
  float scale = 1;

  static constexpr std::string_view name = "identity_link";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("scale", scale, above(0));
  }

  [[nodiscard]] FEWSTEP_HD link_value operator()(const member_log_ratios& r) const {
    const double s = static_cast<double>(scale);
    return {s * (r.loser - r.winner), -s, s};
  }
};

}  // namespace fewstep

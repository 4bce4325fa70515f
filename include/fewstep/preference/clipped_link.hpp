// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/preference/link.hpp>

#include <cmath>
#include <string_view>

namespace fewstep {

/// On which sides a ratio pi / pi_ref is held.
enum class clip_sides {
  /// A winner is no longer raised when its ratio is above 1 + range, nor a loser lowered when it is below 1 - range.
  by_label,
  /// Both ratios are held within [1 - range, 1 + range], as the published code of D3PO has it: a winner that has become
  /// less likely than 1 - range is then left there.
  both,
};

/// A link whose members' ratios are clipped first. Source: Yang et al. 2023, D3PO, arXiv:2311.13231, and its code.
template <preference_link Link>
struct clipped_link {
  Link link{};
  float range = 0.1f;
  clip_sides sides = clip_sides::by_label;

  static constexpr bool needs_batch_mean = detail::needs_batch_mean<Link>();
  static constexpr bool refuses_reference = detail::refuses_reference<Link>();
  static constexpr std::string_view name = "clipped_link";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("link", link);
    visit("range", range, above(0).below(1));
    visit("sides", sides);
  }

  [[nodiscard]] FEWSTEP_HD link_value operator()(member_log_ratios r) const {
    const double high = std::log1p(static_cast<double>(range)), low = std::log1p(-static_cast<double>(range));
    const bool both = sides == clip_sides::both;
    const bool winner_held = r.winner > high || (both && r.winner < low);
    const bool loser_held = r.loser < low || (both && r.loser > high);
    if (winner_held) r.winner = r.winner > high ? high : low;
    if (loser_held) r.loser = r.loser < low ? low : high;
    link_value value = link(r);
    if (winner_held) value.winner = 0;
    if (loser_held) value.loser = 0;
    return value;
  }
};

}  // namespace fewstep

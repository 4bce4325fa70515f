// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/objective/clip_bounds.hpp>
#include <fewstep/objective/objective.hpp>

#include <string_view>

namespace fewstep {

/// PPO's pessimistic bound: Schulman et al. 2017 (arXiv:1707.06347), equation (7).
///
///   value = min(A rho, A clip(rho, 1 - clip_range.low, 1 + clip_range.high)),   rho = exp(log_ratio)
///
/// The slope is A rho where the first is the smaller (also outside of the band, where clipping would flatter) and 0
/// elsewhere. A log_ratio of 0 gives exactly rho = 1.
struct clipped_surrogate {
  clip_bounds clip_range = automatic;  ///< settled by policy_gradient (see automatic_clip_range); published: 1e-4f

  static constexpr std::string_view name = "clipped_surrogate";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("clip_range", clip_range.low, at_least(0).below(1).remark("0: automatic"));
    if (clip_range.high != clip_range.low)  // one number is one setting, as in checkpoints of before
      visit("clip_range.high", clip_range.high, at_least(0).remark("0: automatic"));
  }

  [[nodiscard]] FEWSTEP_HD constexpr surrogate operator()(const transition& t) const {
    const float ratio = exp_float(t.log_ratio);
    const float plain = t.advantage * ratio;
    const float clipped = t.advantage * clip_range.clipped(ratio);
    return clipped < plain ? surrogate{clipped, 0.0f} : surrogate{plain, plain};
  }

  /// This, with automatic bounds settled. Throws std::invalid_argument if low is not in [0, 1) or high below 0.
  [[nodiscard]] clipped_surrogate resolved(index_t dimension, reduction over) const {
    check_settings(*this);
    const auto settled = [&](float bound) {
      return bound == automatic ? automatic_clip_range(dimension, over) : bound;
    };
    return {{settled(clip_range.low), settled(clip_range.high)}};
  }
};

static_assert(objective<clipped_surrogate>);

}  // namespace fewstep

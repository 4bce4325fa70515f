// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/objective/clip_bounds.hpp>
#include <fewstep/objective/objective.hpp>

#include <string_view>

namespace fewstep {

/// Clipped surrogate of a normalised ratio: GRPO-Guard (Wang et al. 2025, arXiv:2510.22319). The mean of log rho is
/// -KL(pi, pi_old), which drags ratios below 1, and its deviation grows as the step's noise falls, so that one clip
/// range is one-sided and suits one step only. Both are taken out, and steps weigh alike whatever their duration:
///
///   rho = exp((log rho + KL(pi, pi_old)) sigma),   value = min(A rho, A clip(rho, 1 - clip_range.low, 1 +
///   clip_range.high)) / dt
///
/// with dt the duration of the step and sigma the noise that it adds (flow_sde_sampler, dance_sde_sampler).
struct guarded_surrogate {
  static constexpr bool needs_old_outputs = true, needs_duration = true;
  clip_bounds clip_range = 2e-6f;

  static constexpr std::string_view name = "guarded_surrogate";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("clip_range", clip_range.low, above(0).below(1));
    if (clip_range.high != clip_range.low)  // one number is one setting, as in checkpoints of before
      visit("clip_range.high", clip_range.high, above(0));
  }

  [[nodiscard]] FEWSTEP_HD constexpr surrogate operator()(const transition& t) const {
    const float ratio = exp_float((t.log_ratio + t.divergence) * t.row.sigma);
    const float plain = t.advantage * ratio / t.row.duration;
    const float clipped = t.advantage * clip_range.clipped(ratio) / t.row.duration;
    if (clipped < plain) return {clipped, 0.0f, 0.0f};
    const float slope = plain * t.row.sigma;
    return {plain, slope, slope};
  }
};

static_assert(objective<guarded_surrogate>);

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/objective/objective.hpp>

#include <string_view>

namespace fewstep {

/// Trust region on the policies themselves: Flow-DPPO (2026, arXiv:2606.11025). Nothing is clipped; a transition whose
/// policy has left the region, KL(pi, pi_old) > threshold, teaches nothing more that would move it further:
///
///   value = A rho,   slope 0 where KL > threshold and (A > 0 and rho > 1, or A < 0 and rho < 1)
///
/// The divergence is exact, both policies being Gaussians of one variance, where a ratio is a sample of it. The
/// published threshold goes with the mean over D.
struct divergence_mask {
  static constexpr bool needs_old_outputs = true;
  float threshold = 1e-5f;

  static constexpr std::string_view name = "divergence_mask";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("threshold", threshold, at_least(0).or_infinite());
  }

  [[nodiscard]] FEWSTEP_HD constexpr surrogate operator()(const transition& t) const {
    const float ratio = exp_float(t.log_ratio), value = t.advantage * ratio;
    const bool leaves = (t.advantage > 0.0f && ratio > 1.0f) || (t.advantage < 0.0f && ratio < 1.0f);
    return {value, t.divergence > threshold && leaves ? 0.0f : value};
  }
};

static_assert(objective<divergence_mask>);

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/objective/objective.hpp>

#include <cmath>
#include <string_view>

namespace fewstep {

/// A clip_range that is to be settled by automatic_clip_range.
inline constexpr float automatic = 0.0f;

/// Clip range that suits samples of `dimension` values. The published 1e-4 goes with means over 16 384 values or more
/// (the latents of Stable Diffusion); a mean over fewer gets ln(1.2) / D, which bounds the density ratio by about 1.2,
/// and a sum gets PPO's 0.2.
[[nodiscard]] inline float automatic_clip_range(index_t dimension, reduction over) {
  expects(dimension >= 1, [&] {
    return message("automatic_clip_range: dimension is ", dimension, "; it is the number of values of a sample");
  });
  if (over == reduction::sum) return 0.2f;
  constexpr index_t published_dimension = 16384;
  if (dimension >= published_dimension) return 1e-4f;
  return static_cast<float>(std::log(1.2) / static_cast<double>(dimension));
}

/// PPO's pessimistic bound: Schulman et al. 2017 (arXiv:1707.06347), equation (7).
///
///   value = min(A rho, A clip(rho, 1 - clip_range, 1 + clip_range)),   rho = exp(log_ratio)
///
/// The slope is A rho where the first is the smaller (also outside of the band, where clipping would flatter) and 0
/// elsewhere. A log_ratio of 0 gives exactly rho = 1.
struct clipped_surrogate {
  float clip_range = automatic;  ///< settled by policy_gradient (see automatic_clip_range); published: 1e-4f

  static constexpr std::string_view name = "clipped_surrogate";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("clip_range", clip_range, at_least(0).below(1).remark("0: automatic"));
  }

  [[nodiscard]] FEWSTEP_HD constexpr surrogate operator()(const transition& t) const {
    const float ratio = exp_float(t.log_ratio);
    const float above = ratio < 1.0f - clip_range ? 1.0f - clip_range : ratio;
    const float within = above > 1.0f + clip_range ? 1.0f + clip_range : above;
    const float plain = t.advantage * ratio;
    const float clipped = t.advantage * within;
    return clipped < plain ? surrogate{clipped, 0.0f} : surrogate{plain, plain};
  }

  /// This, with an automatic clip range settled. Throws std::invalid_argument if the range is not in [0, 1).
  [[nodiscard]] clipped_surrogate resolved(index_t dimension, reduction over) const {
    check_settings(*this);
    return {clip_range == automatic ? automatic_clip_range(dimension, over) : clip_range};
  }
};

static_assert(objective<clipped_surrogate>);

}  // namespace fewstep

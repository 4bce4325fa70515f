// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/view.hpp>

#include <cmath>

namespace fewstep {

/// A clip range that is to be settled by automatic_clip_range.
inline constexpr float automatic = 0.0f;

/// The band [1 - low, 1 + high] that importance ratios are clipped to. One number gives both sides, clip_range = 0.2f;
/// two a band that lets good samples rise further than bad ones fall, clip_range = {0.2f, 0.28f} (clip-higher: Yu et
/// al. 2025, arXiv:2503.14476, equation 10).
struct clip_bounds {
  float low, high;

  FEWSTEP_HD constexpr clip_bounds(float both) : low(both), high(both) {}
  FEWSTEP_HD constexpr clip_bounds(float below, float above) : low(below), high(above) {}

  /// The ratio within the band; what is not a number goes through.
  [[nodiscard]] FEWSTEP_HD constexpr float clipped(float ratio) const {
    const float above = ratio < 1.0f - low ? 1.0f - low : ratio;
    return above > 1.0f + high ? 1.0f + high : above;
  }

  friend constexpr bool operator==(const clip_bounds&, const clip_bounds&) = default;
};

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

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/image/rgb.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

/// Numbers that describe a picture [H,W,3] in [-1,1], whose background is white.

namespace fewstep {

/// Colourfulness of Hasler and Suesstrunk 2003 ("Measuring colourfulness in natural images", eq. for M-hat(3)): with
/// rg = R - G and yb = (R + G) / 2 - B over all pixels, the length of their deviations plus 0.3 times that of their
/// means. Channels count from 0 to 1 here, so 109 / 255 = 0.43 is what they call extremely colourful.
[[nodiscard]] inline double colourfulness(vec<const float> picture) {
  const index_t pixels = picture.size() / 3;
  const double share = 1.0 / static_cast<double>(pixels);
  double sums[2] = {}, squares[2] = {};
  for (index_t i = 0; i < pixels; ++i) {
    const float* p = picture.data + 3 * i;
    const double red = 0.5 * static_cast<double>(p[0]), green = 0.5 * static_cast<double>(p[1]),
                 blue = 0.5 * static_cast<double>(p[2]);  // the shift from [-1, 1] cancels
    const double opponents[2] = {red - green, 0.5 * (red + green) - blue};
    for (int k = 0; k < 2; ++k) {
      sums[k] += share * opponents[k];
      squares[k] += share * opponents[k] * opponents[k];
    }
  }
  const auto variance = [&](int k) { return std::max(0.0, squares[k] - sums[k] * sums[k]); };
  return std::sqrt(variance(0) + variance(1)) + 0.3 * std::hypot(sums[0], sums[1]);
}

/// Which pixels [H,W] are no background: those with a channel below 1 - 2 tolerance, tolerance being a share of the
/// channel's range.
[[nodiscard]] inline std::vector<bool> foreground(vec<const float> picture, float tolerance) {
  std::vector<bool> is(static_cast<std::size_t>(picture.size() / 3));
  for (std::size_t i = 0; i < is.size(); ++i) {
    const float* p = picture.data + 3 * i;
    is[i] = std::min({p[0], p[1], p[2]}) < 1.0f - 2.0f * tolerance;
  }
  return is;
}

/// 1 where the centre of mass of the foreground is the picture's centre, 0 where it is a corner, and for an empty
/// picture; in between by the distance.
[[nodiscard]] inline double centredness(const std::vector<bool>& foreground, picture_size size) {
  double mass = 0, down = 0, right = 0;
  for (index_t y = 0; y < size.height; ++y)
    for (index_t x = 0; x < size.width; ++x)
      if (foreground[static_cast<std::size_t>(y * size.width + x)]) {
        mass += 1;
        down += static_cast<double>(y);
        right += static_cast<double>(x);
      }
  if (mass == 0) return 0;
  const double middle = 0.5 * static_cast<double>(size.height - 1), centre = 0.5 * static_cast<double>(size.width - 1);
  const double farthest = std::hypot(middle, centre);
  return farthest > 0 ? 1 - std::hypot(down / mass - middle, right / mass - centre) / farthest : 1;
}

/// Share of the foreground's pixels that touch no other one, not even at a corner; 0 for an empty picture.
[[nodiscard]] inline double stray_share(const std::vector<bool>& foreground, picture_size size) {
  index_t all = 0, alone = 0;
  for (index_t y = 0; y < size.height; ++y)
    for (index_t x = 0; x < size.width; ++x) {
      if (!foreground[static_cast<std::size_t>(y * size.width + x)]) continue;
      bool touches = false;
      for (index_t v = std::max<index_t>(0, y - 1); v <= std::min(size.height - 1, y + 1); ++v)
        for (index_t u = std::max<index_t>(0, x - 1); u <= std::min(size.width - 1, x + 1); ++u)
          touches = touches || ((v != y || u != x) && foreground[static_cast<std::size_t>(v * size.width + u)]);
      ++all;
      alone += touches ? 0 : 1;
    }
  return all == 0 ? 0 : static_cast<double>(alone) / static_cast<double>(all);
}

}  // namespace fewstep

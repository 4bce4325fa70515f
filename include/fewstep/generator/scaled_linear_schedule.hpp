// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>

#include <cmath>
#include <string_view>

namespace fewstep {

/// The variance-preserving process of latent diffusion: beta_s rises from beta_start to beta_end with its square root
/// linear in s ("scaled linear"); abar_t = prod_{s <= t} (1 - beta_s), signal = sqrt(abar), noise = sqrt(1 - abar).
/// Time is the timestep s, from training_steps - 1 down to 0.
struct scaled_linear_schedule {
  int training_steps = 1000;
  double beta_start = 0.00085;
  double beta_end = 0.012;

  static constexpr std::string_view name = "scaled_linear_schedule";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("training_steps", training_steps, at_least(2));
    visit("beta_start", beta_start, above(0).below(1));
    visit("beta_end", beta_end, above(0).below(1));
  }

  /// The timestep nearest to t, within the schedule.
  [[nodiscard]] FEWSTEP_HD int timestep(float t) const {
    const int last = training_steps - 1;
    if (!(t > 0.0f)) return 0;
    return t >= static_cast<float>(last) ? last : static_cast<int>(t + 0.5f);
  }

  /// abar at a timestep; costs one product per step from 0.
  [[nodiscard]] FEWSTEP_HD double alpha_bar(int step) const {
    const double first = std::sqrt(beta_start);
    const double slope = (std::sqrt(beta_end) - first) / (training_steps - 1);
    double product = 1.0;
    for (int s = 0; s <= step; ++s) {
      const double root = first + slope * s;
      product *= 1.0 - root * root;
    }
    return product;
  }

  [[nodiscard]] FEWSTEP_HD exact_noise_level level(float t) const {
    const double signal_squared = alpha_bar(timestep(t));
    return {std::sqrt(signal_squared), std::sqrt(1.0 - signal_squared)};
  }
};

}  // namespace fewstep

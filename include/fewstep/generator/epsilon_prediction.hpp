// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>
#include <fewstep/generator/scaled_linear_schedule.hpp>

#include <string_view>

namespace fewstep {

/// Clean prediction of a network that predicts the noise, xhat0 = (x - noise o) / signal: Ho, Jain and Abbeel 2020
/// (arXiv:2006.11239); with the DDIM sampler this is the policy of DDPO. Time is the timestep, an integer.
struct epsilon_prediction {
  scaled_linear_schedule schedule{};

  static constexpr std::string_view name = "epsilon_prediction";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("schedule", schedule);
  }

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float t) const {
    const auto [signal, noise] = schedule.level(t);
    return {1.0f, static_cast<float>(1.0 / signal), static_cast<float>(-noise / signal)};
  }
  [[nodiscard]] FEWSTEP_HD exact_noise_level exact_level(float t) const { return schedule.level(t); }
  [[nodiscard]] FEWSTEP_HD noise_level level(float t) const { return detail::rounded(schedule.level(t)); }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float min_time() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float max_time() const { return static_cast<float>(schedule.training_steps - 1); }
  [[nodiscard]] FEWSTEP_HD int training_steps() const { return schedule.training_steps; }
};

static_assert(discrete_preconditioning<epsilon_prediction>);

}  // namespace fewstep

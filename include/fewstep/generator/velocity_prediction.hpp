// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>
#include <fewstep/generator/scaled_linear_schedule.hpp>

#include <string_view>

namespace fewstep {

/// Clean prediction of a network that predicts v = signal eps - noise x_0, xhat0 = signal x - noise o: Salimans and Ho
/// 2022 (arXiv:2202.00512), appendix D. Time is the timestep, an integer.
struct velocity_prediction {
  scaled_linear_schedule schedule{};

  static constexpr std::string_view name = "velocity_prediction";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("schedule", schedule);
  }

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float t) const {
    const auto [signal, noise] = schedule.level(t);
    return {1.0f, static_cast<float>(signal), static_cast<float>(-noise)};
  }
  [[nodiscard]] FEWSTEP_HD exact_noise_level exact_level(float t) const { return schedule.level(t); }
  [[nodiscard]] FEWSTEP_HD noise_level level(float t) const { return detail::rounded(schedule.level(t)); }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float min_time() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float max_time() const { return static_cast<float>(schedule.training_steps - 1); }
  [[nodiscard]] FEWSTEP_HD int training_steps() const { return schedule.training_steps; }
};

static_assert(discrete_preconditioning<velocity_prediction>);

}  // namespace fewstep

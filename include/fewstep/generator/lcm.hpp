// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>
#include <fewstep/generator/scaled_linear_schedule.hpp>

#include <cmath>
#include <string_view>

namespace fewstep {

/// Latent consistency function: Luo, Tan, Huang, Li and Zhao 2023 (arXiv:2310.04378), equation (9). The network
/// predicts the noise; f = c_out(t) xhat0 + c_skip(t) x with c_skip = sd^2 / ((s t)^2 + sd^2),
/// c_out = s t / sqrt((s t)^2 + sd^2), s the timestep scaling; written here as skip and out of the raw prediction.
/// Time is the timestep, an integer; see scaled_linear_schedule.
struct lcm {
  scaled_linear_schedule schedule{};
  double sigma_data = 0.5;
  double timestep_scaling = 10.0;

  static constexpr std::string_view name = "lcm";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("schedule", schedule);
    visit("sigma_data", sigma_data, above(0));
    visit("timestep_scaling", timestep_scaling, above(0));
  }

  /// {c_skip, c_out} of the boundary condition.
  struct boundary {
    double skip, out;
  };
  [[nodiscard]] FEWSTEP_HD boundary boundary_at(float t) const {
    const double scaled = timestep_scaling * schedule.timestep(t);
    const double total = scaled * scaled + sigma_data * sigma_data;
    return {sigma_data * sigma_data / total, scaled / std::sqrt(total)};
  }

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float t) const {
    const auto [signal, noise] = schedule.level(t);
    const auto [c_skip, c_out] = boundary_at(t);
    return {1.0f, static_cast<float>(c_skip + c_out / signal), static_cast<float>(-c_out * noise / signal)};
  }
  [[nodiscard]] FEWSTEP_HD exact_noise_level exact_level(float t) const { return schedule.level(t); }
  [[nodiscard]] FEWSTEP_HD noise_level level(float t) const { return detail::rounded(schedule.level(t)); }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float min_time() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float max_time() const { return static_cast<float>(schedule.training_steps - 1); }
  [[nodiscard]] FEWSTEP_HD int training_steps() const { return schedule.training_steps; }
};

static_assert(discrete_preconditioning<lcm>);

}  // namespace fewstep

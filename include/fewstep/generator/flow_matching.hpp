// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>

#include <string_view>

namespace fewstep {

/// Rectified flow, x_t = (1 - t) x_0 + t eps: Liu, Gong and Liu 2022 (arXiv:2209.03003), Lipman et al. 2022
/// (arXiv:2210.02747). The network predicts the velocity eps - x_0, hence f = x - t o.
/// Time is t, from 1 (noise) to 0 (the sample).
struct flow_matching {
  static constexpr std::string_view name = "flow_matching";
  template <class Visitor>
  void settings(Visitor&) const {}

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float t) const { return {1.0f, 1.0f, -t}; }
  [[nodiscard]] FEWSTEP_HD exact_noise_level exact_level(float t) const {
    return {1.0 - static_cast<double>(t), static_cast<double>(t)};
  }
  [[nodiscard]] FEWSTEP_HD noise_level level(float t) const { return {1.0f - t, t}; }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float min_time() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float max_time() const { return 1.0f; }
};

static_assert(preconditioning<flow_matching> && !discrete_preconditioning<flow_matching>);

}  // namespace fewstep

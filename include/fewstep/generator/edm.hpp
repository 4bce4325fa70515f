// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>

#include <cmath>
#include <string_view>

namespace fewstep {

namespace detail {

/// Karras et al. 2022, table 1, with the boundary moved from 0 to `floor` (Song et al. 2023, appendix C).
FEWSTEP_HD inline coefficients edm_coefficients(double sigma_data, double floor, double t) {
  const double variance = sigma_data * sigma_data;
  const double total = std::sqrt(t * t + variance);
  const double above = t - floor;
  return {static_cast<float>(1.0 / total), static_cast<float>(variance / (above * above + variance)),
          static_cast<float>(sigma_data * above / total)};
}

}  // namespace detail

/// Consistency function in the EDM form: Song, Dhariwal, Chen and Sutskever 2023 (arXiv:2303.01469), appendix C.
/// x_t = x_0 + t eps; skip = sd^2 / ((t - sigma_min)^2 + sd^2), out = sd (t - sigma_min) / sqrt(t^2 + sd^2),
/// in = 1 / sqrt(t^2 + sd^2), so that f(x, sigma_min) = x exactly. Time is sigma, the standard deviation of the noise,
/// from sigma_max down to sigma_min.
struct edm_consistency {
  float sigma_data = 0.5f;
  float sigma_min = 0.002f;
  float sigma_max = 80.0f;

  static constexpr std::string_view name = "edm_consistency";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("sigma_data", sigma_data, above(0));
    visit("sigma_max", sigma_max, above(0));
    visit("sigma_min", sigma_min, at_least(0).below(static_cast<double>(sigma_max)).remark("sigma_max is above it"));
  }

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float t) const {
    return detail::edm_coefficients(static_cast<double>(sigma_data), static_cast<double>(sigma_min),
                                    static_cast<double>(t));
  }
  [[nodiscard]] FEWSTEP_HD noise_level level(float t) const { return {1.0f, t}; }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return sigma_min; }
  [[nodiscard]] FEWSTEP_HD float min_time() const { return sigma_min; }
  [[nodiscard]] FEWSTEP_HD float max_time() const { return sigma_max; }
};

/// Denoiser of Karras, Aittala, Aila and Laine 2022 (arXiv:2206.00364), table 1: as edm_consistency with the boundary
/// at 0, f being the expected clean sample. Time is sigma, as there.
struct edm_denoiser {
  float sigma_data = 0.5f;
  float sigma_min = 0.002f;
  float sigma_max = 80.0f;

  static constexpr std::string_view name = "edm_denoiser";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("sigma_data", sigma_data, above(0));
    visit("sigma_max", sigma_max, above(0));
    visit("sigma_min", sigma_min, at_least(0).below(static_cast<double>(sigma_max)).remark("sigma_max is above it"));
  }

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float t) const {
    return detail::edm_coefficients(static_cast<double>(sigma_data), 0.0, static_cast<double>(t));
  }
  [[nodiscard]] FEWSTEP_HD noise_level level(float t) const { return {1.0f, t}; }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return 0.0f; }
  [[nodiscard]] FEWSTEP_HD float min_time() const { return sigma_min; }
  [[nodiscard]] FEWSTEP_HD float max_time() const { return sigma_max; }
};

static_assert(preconditioning<edm_consistency> && preconditioning<edm_denoiser>);
static_assert(!discrete_preconditioning<edm_consistency>);

}  // namespace fewstep

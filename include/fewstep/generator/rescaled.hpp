// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/widened.hpp>
#include <fewstep/generator/edm.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/lcm.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>
#include <fewstep/generator/scaled_linear_schedule.hpp>

#include <cmath>
#include <concepts>
#include <string_view>

/// Other processes for a trained EDM network. What a network knows of a state is its noise / signal; how large the
/// state is, is a matter of the process. So x_t = x_0 + sigma eps may be divided by any s(sigma): the network, asked
/// for s x_t at its own time sigma, predicts the same clean sample. Karras et al. 2022 (arXiv:2206.00364), section 2
/// and table 1, the scaling s(t).

namespace fewstep {

/// Preconditioning of an EDM network: signal 1, noise = time = sigma.
template <class P>
concept edm_preconditioning = preconditioning<P> && requires(const P p) {
  { p.sigma_data } -> std::convertible_to<float>;
  { p.sigma_min } -> std::convertible_to<float>;
  { p.sigma_max } -> std::convertible_to<float>;
};

namespace detail {

/// The coefficients of `base` at sigma for the state s x.
template <edm_preconditioning P>
FEWSTEP_HD coefficients rescaled(const P& base, float sigma, double s) {
  const auto [in, skip, out] = base(sigma);
  return {static_cast<float>(s * widened(in)), static_cast<float>(s * widened(skip)), out};
}

}  // namespace detail

/// An EDM network in the variance-preserving process: x = (x_0 + sigma eps) / sqrt(1 + sigma^2). Time is the
/// network's, sigma; those of the schedule's timesteps are sigma = sqrt((1 - abar) / abar), 0.029 to 14.6 by default.
/// So ddim_sampler takes the steps of DDPO (Black et al. 2023, arXiv:2305.13301), for which the network has to have
/// been trained up to the noise of the first of them. f is not scaled, and keeps the base's floor.
template <edm_preconditioning P>
struct variance_preserving {
  P base{};
  scaled_linear_schedule schedule{};

  static constexpr std::string_view name = "variance_preserving";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("base", base);
    visit("schedule", schedule);
  }

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float sigma) const {
    const double noise = static_cast<double>(sigma);
    return detail::rescaled(base, sigma, std::sqrt(1.0 + noise * noise));
  }
  [[nodiscard]] FEWSTEP_HD exact_noise_level exact_level(float sigma) const {
    const double noise = static_cast<double>(sigma), s = std::sqrt(1.0 + noise * noise);
    return {1.0 / s, noise / s};
  }
  [[nodiscard]] FEWSTEP_HD noise_level level(float sigma) const { return detail::rounded(exact_level(sigma)); }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return base.noise_floor(); }
  /// The cleanest and the noisiest timestep that the network knows; where it begins above or ends below the schedule,
  /// its own bounds.
  [[nodiscard]] FEWSTEP_HD float min_time() const {
    const float first = time_of_timestep(0);
    return first > base.min_time() ? first : base.min_time();
  }
  [[nodiscard]] FEWSTEP_HD float max_time() const {
    const float last = time_of_timestep(schedule.training_steps - 1);
    return last < base.max_time() ? last : base.max_time();
  }
  [[nodiscard]] FEWSTEP_HD int training_steps() const { return schedule.training_steps; }
  [[nodiscard]] FEWSTEP_HD float time_of_timestep(int step) const {
    const double alpha_bar = schedule.alpha_bar(step);
    return static_cast<float>(std::sqrt((1.0 - alpha_bar) / alpha_bar));
  }
};

/// An EDM network as a rectified flow: x = (x_0 + sigma eps) / (1 + sigma) = (1 - t) x_0 + t eps with the flow's
/// time t = sigma / (1 + sigma). Time is the network's, sigma; time_of_noise(t) is that of a flow time, 1 to 0. f is
/// not scaled, and keeps the base's floor.
template <edm_preconditioning P>
struct rectified_flow {
  P base{};

  static constexpr std::string_view name = "rectified_flow";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("base", base);
  }

  [[nodiscard]] FEWSTEP_HD coefficients operator()(float sigma) const {
    return detail::rescaled(base, sigma, 1.0 + static_cast<double>(sigma));
  }
  [[nodiscard]] FEWSTEP_HD exact_noise_level exact_level(float sigma) const {
    const double noise = static_cast<double>(sigma), s = 1.0 + noise;
    return {1.0 / s, noise / s};
  }
  [[nodiscard]] FEWSTEP_HD noise_level level(float sigma) const { return detail::rounded(exact_level(sigma)); }
  [[nodiscard]] FEWSTEP_HD float noise_floor() const { return base.noise_floor(); }
  [[nodiscard]] FEWSTEP_HD float min_time() const { return base.min_time(); }
  [[nodiscard]] FEWSTEP_HD float max_time() const { return base.max_time(); }
  /// The time at which the state has the noise t, 0 <= t < 1, which is the flow's time.
  [[nodiscard]] FEWSTEP_HD float time_of_noise(double t) const { return static_cast<float>(t / (1.0 - t)); }
};

static_assert(edm_preconditioning<edm_consistency> && edm_preconditioning<edm_denoiser>);
static_assert(!edm_preconditioning<flow_matching> && !edm_preconditioning<lcm>);
static_assert(timestep_preconditioning<variance_preserving<edm_denoiser>> &&
              !discrete_preconditioning<variance_preserving<edm_denoiser>>);
static_assert(preconditioning<rectified_flow<edm_denoiser>> && !timestep_preconditioning<rectified_flow<edm_denoiser>>);

}  // namespace fewstep

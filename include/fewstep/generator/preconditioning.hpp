// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>

#include <cmath>
#include <concepts>
#include <string_view>
#include <type_traits>

namespace fewstep {

/// How the raw network output o = network(in x, t) becomes the prediction f = skip x + out o.
struct coefficients {
  float in, skip, out;
};

/// How a noised sample is made: x_t = signal x_0 + noise eps, eps ~ N(0, I).
struct noise_level {
  float signal, noise;
};

/// The same in double precision, where differences of levels are taken.
struct exact_noise_level {
  double signal, noise;
};

namespace detail {

template <class P>
concept has_coefficients = requires(const P p, float t) {
  { p(t) } -> std::same_as<coefficients>;
};
template <class P>
concept has_level = requires(const P p, float t) {
  { p.level(t) } -> std::same_as<noise_level>;
};
template <class P>
concept has_noise_floor = requires(const P p) {
  { p.noise_floor() } -> std::same_as<float>;
};
template <class P>
concept has_min_time = requires(const P p) {
  { p.min_time() } -> std::same_as<float>;
};
template <class P>
concept has_max_time = requires(const P p) {
  { p.max_time() } -> std::same_as<float>;
};

}  // namespace detail

/// What connects a network to the process it was trained on: p(t) gives {in, skip, out}, p.level(t) the noise at t.
///
/// Times are floats in [min_time, max_time], larger meaning noisier; models with discrete timesteps round to the
/// nearest one. noise_floor() is the noise that f keeps: a consistency function lands on the sample at that level
/// (sigma_min), all others on the clean sample (0).
///
/// The compiler cannot check: the functor is pure and callable from device code, level's noise / signal does not fall
/// with t, and f is the prediction of the clean sample (or of the sample at the floor).
///
/// Smallest model:
///   struct plain {
///     FEWSTEP_HD coefficients operator()(float) const { return {1, 0, 1}; }
///     FEWSTEP_HD noise_level level(float t) const { return {1, t}; }
///     FEWSTEP_HD float noise_floor() const { return 0; }
///     FEWSTEP_HD float min_time() const { return 0; }
///     FEWSTEP_HD float max_time() const { return 1; }
///   };
/// generator/rescaled.hpp has other processes for a network of EDM's.
template <class P>
concept preconditioning = std::is_trivially_copyable_v<P> && detail::has_coefficients<P> && detail::has_level<P> &&
    detail::has_noise_floor<P> && detail::has_min_time<P> && detail::has_max_time<P>;

namespace detail {

/// Whether P models preconditioning; where it does not, the compiler says what is missing.
template <class P>
consteval bool require_preconditioning() {
  static_assert(
      std::is_trivially_copyable_v<P>,
      "fewstep::preconditioning: it must be trivially copyable (numbers only), since kernels take it by value");
  static_assert(has_coefficients<P>, "fewstep::preconditioning: coefficients operator()(float time) const is missing");
  static_assert(has_level<P>, "fewstep::preconditioning: noise_level level(float time) const is missing");
  static_assert(has_noise_floor<P>, "fewstep::preconditioning: float noise_floor() const is missing");
  static_assert(has_min_time<P>, "fewstep::preconditioning: float min_time() const is missing");
  static_assert(has_max_time<P>, "fewstep::preconditioning: float max_time() const is missing");
  return preconditioning<P>;
}

}  // namespace detail

/// A preconditioning of a variance-preserving process (signal^2 + noise^2 = 1) with the timesteps 0 ..
/// training_steps() - 1. The time of a timestep is that integer, unless a member `float time_of_timestep(int) const`
/// says otherwise.
template <class P>
concept timestep_preconditioning = preconditioning<P> && requires(const P p) {
  { p.training_steps() } -> std::same_as<int>;
};

/// One whose times are the timesteps themselves.
template <class P>
concept discrete_preconditioning = timestep_preconditioning<P> && !requires(const P p) {
  p.time_of_timestep(0);
};

/// The time of a timestep.
template <timestep_preconditioning P>
FEWSTEP_HD float time_of_timestep(const P& p, int step) {
  if constexpr (discrete_preconditioning<P>)
    return static_cast<float>(step);
  else
    return p.time_of_timestep(step);
}

/// Levels in double precision where the model has them (a member exact_level), else those of level().
template <preconditioning P>
FEWSTEP_HD exact_noise_level exact_level(const P& p, float t) {
  if constexpr (requires { p.exact_level(t); }) {
    return p.exact_level(t);
  } else {
    const noise_level rounded = p.level(t);
    return {static_cast<double>(rounded.signal), static_cast<double>(rounded.noise)};
  }
}

/// Standard deviation of the state a trajectory starts from at time t: 1 for a variance-preserving process, else the
/// noise at t.
template <preconditioning P>
FEWSTEP_HD float initial_sigma(const P& p, float t) {
  if constexpr (timestep_preconditioning<P>)
    return 1.0f;
  else
    return p.level(t).noise;
}

namespace detail {

FEWSTEP_HD inline noise_level rounded(const exact_noise_level& level) {
  return {static_cast<float>(level.signal), static_cast<float>(level.noise)};
}

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

static_assert(preconditioning<edm_consistency> && preconditioning<edm_denoiser> && preconditioning<flow_matching>);
static_assert(discrete_preconditioning<lcm> && discrete_preconditioning<epsilon_prediction> &&
              discrete_preconditioning<velocity_prediction>);
static_assert(!discrete_preconditioning<edm_consistency> && !discrete_preconditioning<flow_matching>);

}  // namespace fewstep

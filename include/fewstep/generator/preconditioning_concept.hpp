// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/widened.hpp>

#include <concepts>
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
    return {detail::widened(rounded.signal), detail::widened(rounded.noise)};
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

}  // namespace detail

}  // namespace fewstep

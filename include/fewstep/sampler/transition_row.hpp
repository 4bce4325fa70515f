// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/widened.hpp>
#include <fewstep/generator/preconditioning_concept.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cmath>

namespace fewstep {

/// A transition in terms of the clean prediction, as samplers are published: x' = p x + q f + sigma z.
struct prediction_step {
  double p, q, sigma;
  double duration = 0;  ///< dt, where it is a step of a stochastic differential equation
};

/// The same in terms of the network output, where f = skip x + out o: a = p + q skip, b = q out.
template <preconditioning P>
[[nodiscard]] step_row transition_row(const P& process, float time, float next_time, const prediction_step& step) {
  const auto [in, skip, out] = process(time);
  return {time,
          next_time,
          static_cast<float>(step.p + step.q * detail::widened(skip)),
          static_cast<float>(step.q * detail::widened(out)),
          static_cast<float>(step.sigma),
          in,
          skip,
          out,
          static_cast<float>(step.duration)};
}

/// Whether two levels have one noise for the signal. Times are floats, so levels that are not one differ by 6e-8 of
/// the noise or more; a smaller difference is the rounding of double, which no two compilers do alike.
[[nodiscard]] inline bool same_noise(const exact_noise_level& now, const exact_noise_level& next) {
  const double before = now.noise * next.signal, after = next.noise * now.signal;
  return before - after <= 1e-12 * before;
}

/// x' = signal' f + kept eps + sigma z with the noise estimate eps = (x - signal f) / noise: DDIM, Song, Meng and Ermon
/// 2020 (arXiv:2010.02502), equation (12), where kept^2 + sigma^2 = noise'^2. With kept = 0 the state is forgotten.
[[nodiscard]] inline prediction_step noised_prediction(const exact_noise_level& now, const exact_noise_level& next,
                                                       double kept, double sigma) {
  const double p = kept / now.noise;
  return {p, next.signal - p * now.signal, sigma};
}

/// The noise that brings signal' f to the level of `next_time`: sqrt(noise'^2 - (signal' floor)^2), as f keeps the
/// noise `floor`; exactly 0 where the level is the floor.
template <preconditioning P>
[[nodiscard]] double added_noise(const P& process, float next_time) {
  const exact_noise_level next = exact_level(process, next_time);
  const double floor = static_cast<double>(process.noise_floor()), kept = next.signal * floor;
  return same_noise(next, {1.0, floor}) ? 0.0 : std::sqrt(next.noise * next.noise - kept * kept);
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/step_table.hpp>
#include <fewstep/sampler/time_grid.hpp>
#include <fewstep/sampler/transition_row.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

/// One step of Euler and Maruyama, from time t to `next` < t, for a stochastic differential equation with the marginals
/// of the rectified flow x = (1 - t) x_0 + t eps, whatever its diffusion s:
///
///   x' = x + (v - s^2 score / 2) dt + s sqrt(-dt) z,    dt = t' - t < 0
///   v = (x - f) / t,    score = -(x - (1 - t) f) / t^2
///
/// Without diffusion it is Euler's method for the flow, which lands on f at t' = 0. Karras et al. 2022
/// (arXiv:2206.00364), equation (6), whose beta is free.
[[nodiscard]] inline prediction_step reverse_sde_step(double t, double next, double diffusion) {
  const double dt = next - t;
  const double drift = diffusion * diffusion * dt / (2.0 * t * t);
  return {1.0 + dt / t + drift, -(dt / t + drift * (1.0 - t)), diffusion * std::sqrt(-dt), -dt};
}

/// The table of such steps for a flow, signal = 1 - t and noise = t, whatever clock its network has; durations are in
/// t. diffusion(k, t) is s of step k, given the flow times of all steps and of the landing; all 0 makes a deterministic
/// table.
///
/// A last step with noise would leave s sqrt(-dt) of it in the result, so `last` is
///   mask        Euler's step without noise, not trained
///   reference   drawn with its noise, which stays in the result, but not trained
///   stochastic  drawn with its noise and trained.
/// A call at the cleanest time moves nothing and is not trained: the last step is then the one before it, and the
/// result the clean prediction of that call, else the last state. Errors name `who`.
template <preconditioning P, class Diffusion>
[[nodiscard]] step_table reverse_sde_table(const P& p, std::span<const float> times, last_step last,
                                           std::string_view who, const Diffusion& diffusion) {
  std::vector<double> t;
  const auto add = [&](float time) {
    const exact_noise_level level = exact_level(p, time);
    expects(std::abs(level.signal + level.noise - 1.0) < 1e-6, [&] {
      return message(who, ": at time ", time, " signal is ", level.signal, " and noise is ", level.noise,
                     ", but this sampler is one for rectified flows, signal = 1 - noise; an EDM network becomes one "
                     "by rectified_flow<P>");
    });
    t.push_back(level.noise);
  };
  for (const float time : times) add(time);
  add(p.min_time());

  step_table table;
  table.initial_sigma = initial_sigma(p, times.front());
  const bool stands = times.back() == p.min_time();
  const std::size_t moving = times.size() - (stands ? 1 : 0);
  for (std::size_t k = 0; k < moving; ++k) {
    const bool is_last = k + 1 == moving;
    const double s = is_last && last == last_step::mask ? 0.0 : diffusion(k, std::span<const double>(t));
    const float next_time = k + 1 == times.size() ? p.min_time() : times[k + 1];
    table.rows.push_back(transition_row(p, times[k], next_time, reverse_sde_step(t[k], t[k + 1], s)));
    table.rows.back().duration = static_cast<float>(t[k] - t[k + 1]);
  }
  if (stands) table.rows.push_back(transition_row(p, times.back(), times.back(), {1, 0, 0}));
  train_rows(table, static_cast<int>(moving) - (last == last_step::stochastic ? 0 : 1));
  table.result = stands ? emitted::clean : emitted::state;
  check(table);
  return table;
}

}  // namespace fewstep

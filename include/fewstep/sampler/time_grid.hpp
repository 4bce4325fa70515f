// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/generator/preconditioning.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

/// The first `count` points of Karras' grid of count + 1 points from `high` down to `low`, the last of which (where a
/// sampler lands) needs no network call: t_i = (high^(1/rho) + i/count (low^(1/rho) - high^(1/rho)))^rho.
/// Karras et al. 2022 (arXiv:2206.00364), equation (5).
[[nodiscard]] inline std::vector<float> karras_times(float high, float low, int count, double rho = 7.0) {
  expects(count >= 1, [&] { return message("karras_times: count is ", count, "; it must be at least 1"); });
  const double first = std::pow(static_cast<double>(high), 1.0 / rho);
  const double last = std::pow(static_cast<double>(low), 1.0 / rho);
  std::vector<float> times;
  for (int i = 0; i < count; ++i)
    times.push_back(static_cast<float>(std::pow(first + (last - first) * i / count, rho)));
  times.front() = high;
  return times;
}

/// Timestep i of `count` that stand at equal parts of `training_steps`, counted from the noisy end: N - i N / count -
/// 1, halves to even, in the very arithmetic of NumPy's arange, which decides the halves of 50 numbers of steps of
/// 1000. What diffusers calls "trailing" (docs/samplers.md).
[[nodiscard]] inline int trailing_timestep(int training_steps, int count, int i) {
  const double n = training_steps, step = n - n / count - n;
  return static_cast<int>(std::nearbyint(n + i * step)) - 1;
}

/// `count` network times that suit a process: Karras' grid where the signal is never scaled down (EDM), equal parts
/// counted from the noisy end of the timesteps (trailing_timestep) and, for flows, of the noise.
template <preconditioning P>
[[nodiscard]] std::vector<float> default_times(const P& p, int count) {
  std::vector<float> times;
  if constexpr (timestep_preconditioning<P>) {
    expects(count <= p.training_steps(), [&] {
      return message("sampler: ", count, " network calls asked for, but the process has ", p.training_steps(),
                     " timesteps; ask for fewer");
    });
    for (int i = 0; i < count; ++i)
      times.push_back(time_of_timestep(p, trailing_timestep(p.training_steps(), count, i)));
    expects(times.front() <= p.max_time() && times.back() >= p.min_time(), [&] {
      return message("sampler: equal parts of the timesteps lead from time ", times.front(), " to ", times.back(),
                     ", but this generator knows [", p.min_time(), ", ", p.max_time(), "]; give times that it knows");
    });
  } else if constexpr (requires { p.time_of_noise(0.0); }) {
    const double high = exact_level(p, p.max_time()).noise, low = exact_level(p, p.min_time()).noise;
    for (int i = 0; i < count; ++i) times.push_back(p.time_of_noise(high + (low - high) * i / count));
    times.front() = p.max_time();
  } else if (p.level(p.max_time()).signal == 1.0f) {
    times = karras_times(p.max_time(), p.min_time(), count);
  } else {
    const double high = static_cast<double>(p.max_time()), low = static_cast<double>(p.min_time());
    for (int i = 0; i < count; ++i) times.push_back(static_cast<float>(high + (low - high) * i / count));
  }
  return times;
}

/// The times asked for if there are any, else default_times. Times asked for must be `count` numbers that fall from
/// one to the next, from timestep to timestep where the process has them, and lie in [min_time, max_time]; else throws
/// std::invalid_argument in the name of `who`.
template <preconditioning P>
[[nodiscard]] std::vector<float> checked_times(const P& p, std::span<const float> asked, int count,
                                               std::string_view who) {
  expects(count >= 1,
          [&] { return message(who, ": ", count, " network calls asked for; the least is 1 (the horizon)"); });
  if (asked.empty()) return default_times(p, count);
  expects(asked.size() == static_cast<std::size_t>(count), [&] {
    return message(who, ": times has ", asked.size(), " entries but the horizon is ", count,
                   "; give one time per network call, or none");
  });
  for (std::size_t i = 0; i < asked.size(); ++i) {
    expects(asked[i] >= p.min_time() && asked[i] <= p.max_time(), [&] {
      return message(who, ": times[", i, "] is ", asked[i], ", outside [", p.min_time(), ", ", p.max_time(),
                     "], the times of this generator");
    });
    expects(i == 0 || asked[i] < asked[i - 1], [&] {
      return message(who, ": times[", i, "] is ", asked[i], " after ", asked[i - 1],
                     "; times must fall, from noise to sample");
    });
    if constexpr (discrete_preconditioning<P>)
      expects(i == 0 || std::floor(asked[i] + 0.5f) < std::floor(asked[i - 1] + 0.5f), [&] {
        return message(who, ": times[", i, "] is ", asked[i], " after ", asked[i - 1],
                       ", which is the same timestep; the times of this generator are its timesteps, whole numbers");
      });
  }
  return {asked.begin(), asked.end()};
}

}  // namespace fewstep

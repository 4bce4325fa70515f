// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_table.hpp>
#include <fewstep/sampler/time_grid.hpp>
#include <fewstep/sampler/transition_row.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

namespace fewstep {

/// DDIM with noise: Song, Meng and Ermon 2020 (arXiv:2010.02502), equations (12) and (16), for any pair of levels
/// (signal, noise) at t and (signal', noise') at the next time:
///
///   eps = (x - signal f) / noise
///   s   = eta (noise' / noise) sqrt(noise^2 - (signal / signal')^2 noise'^2)
///   x'  = signal' f + sqrt(noise'^2 - s^2) eps + s z
///
/// Scaling x leaves this alone, so it holds for variance-preserving and -exploding processes and flows alike. eta = 1
/// is ancestral sampling (DDPM), the policy of DDPO (Black et al. 2023, arXiv:2305.13301); eta = 0 is deterministic
/// and trains nothing. The result is the last state; a last row that lands on zero noise is not trained. Where the last
/// call already stands where it should land (timestep 0: steps_offset 0, or times that end there), it moves nothing and
/// is not trained; the result is its clean prediction.
struct ddim_sampler {
  float eta = 1.0f;
  /// One per network call, falling. Empty: for processes with timesteps those of DDPO ("leading" spacing, 981 961 ... 1
  /// for 50 calls of 1000), else default_times.
  std::vector<float> times = {};
  int steps_offset = 1;  ///< added to the leading timesteps; with 0 the last call stands at timestep 0

  static constexpr std::string_view name = "ddim_sampler";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("eta", eta, between(0, 1));
    visit("times", times);
    visit("steps_offset", steps_offset, at_least(0));
  }

  template <preconditioning P>
  [[nodiscard]] step_table table(const P& p, int network_calls) const {
    check_settings(*this);
    const std::vector<float> grid = network_times(p, network_calls);

    step_table table;
    table.initial_sigma = initial_sigma(p, grid.front());
    for (std::size_t i = 0; i < grid.size(); ++i) {
      const float next_time = i + 1 < grid.size() ? grid[i + 1] : landing_time(p, network_calls);
      table.rows.push_back(
          transition_row(p, grid[i], next_time, step(exact_level(p, grid[i]), exact_level(p, next_time))));
    }
    train_rows(table, table.horizon());
    const step_row& last = table.rows.back();
    const bool stands = same_noise(exact_level(p, last.time), exact_level(p, last.next_time));
    table.result = stands ? emitted::clean : emitted::state;
    check(table);
    return table;
  }

  /// Euler's method for the probability flow at the same times.
  [[nodiscard]] ddim_sampler without_noise() const { return {0.0f, times, steps_offset}; }

 private:
  template <preconditioning P>
  [[nodiscard]] std::vector<float> network_times(const P& p, int network_calls) const {
    if constexpr (timestep_preconditioning<P>) {
      if (times.empty() && network_calls >= 1) {
        const int spacing = p.training_steps() / network_calls;
        expects(steps_offset >= 0 && spacing >= 1 && steps_offset < p.training_steps() - spacing * (network_calls - 1),
                [&] {
                  return message("ddim_sampler: horizon ", network_calls, " with steps_offset ", steps_offset,
                                 " leaves the ", p.training_steps(),
                                 " timesteps of this generator; use fewer calls or a smaller steps_offset");
                });
        std::vector<float> grid;
        for (int i = network_calls - 1; i >= 0; --i) grid.push_back(time_of_timestep(p, spacing * i + steps_offset));
        for (const float time : {grid.front(), grid.back()})
          expects(time >= p.min_time() && time <= p.max_time(), [&] {
            return message("ddim_sampler: the leading timesteps ask the network for time ", time, ", outside [",
                           p.min_time(), ", ", p.max_time(), "], its times; give times that it knows");
          });
        return grid;
      }
    }
    return checked_times(p, times, network_calls, "ddim_sampler");
  }

  /// Where the last call leads: a spacing below it but not under 0 for the leading timesteps, else the cleanest time.
  template <preconditioning P>
  [[nodiscard]] float landing_time(const P& p, int network_calls) const {
    if constexpr (timestep_preconditioning<P>) {
      if (times.empty()) return time_of_timestep(p, std::max(steps_offset - p.training_steps() / network_calls, 0));
    }
    return p.min_time();
  }

  [[nodiscard]] prediction_step step(const exact_noise_level& now, const exact_noise_level& next) const {
    if (same_noise(now, next)) return {next.signal / now.signal, 0, 0};
    const double ratio = now.signal / next.signal * next.noise;
    const double variance_drop = std::max(now.noise * now.noise - ratio * ratio, 0.0);
    const double sigma = static_cast<double>(eta) * (next.noise / now.noise) * std::sqrt(variance_drop);
    return noised_prediction(now, next, std::sqrt(std::max(next.noise * next.noise - sigma * sigma, 0.0)), sigma);
  }
};

static_assert(sampler<ddim_sampler, epsilon_prediction> && sampler<ddim_sampler, edm_denoiser> &&
              sampler<ddim_sampler, flow_matching>);

}  // namespace fewstep

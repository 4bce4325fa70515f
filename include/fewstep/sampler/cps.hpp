// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_table.hpp>
#include <fewstep/sampler/time_grid.hpp>
#include <fewstep/sampler/transition_row.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

namespace fewstep {

/// Coefficients-preserving sampling: Wang et al. 2025 (arXiv:2509.05952). A part of the noise that the next state is to
/// have is the network's estimate of the old one, the rest is new; together they are what the process has there:
///
///   eps = (x - signal f) / noise
///   s   = s_max sin(a pi / 2),    s_max = sqrt(noise'^2 - (signal' floor)^2)
///   x'  = signal' f + sqrt(s_max^2 - s^2) eps + s z
///
/// floor is the noise that f keeps. a = 1 is the consistency sampler, which forgets the state; a = 0 is deterministic.
/// The last call draws nothing and is not trained: the result is the clean prediction. Nor is a step before it that
/// leads to the floor.
struct cps_sampler {
  float noise = 0.8f;             ///< a, in [0, 1]
  std::vector<float> times = {};  ///< one per network call, falling; empty: default_times

  static constexpr std::string_view name = "cps_sampler";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("noise", noise, between(0, 1));
    visit("times", times);
  }

  template <preconditioning P>
  [[nodiscard]] step_table table(const P& p, int network_calls) const {
    check_settings(*this);
    const std::vector<float> grid = checked_times(p, times, network_calls, "cps_sampler");
    expects(
        network_calls > 1 || noise == 0.0f,
        "cps_sampler: horizon is 1, but the last call draws no noise; use horizon >= 2, or consistency_sampler with "
        "last_step::stochastic");
    // sin(pi / 2) is exactly 1, and so 1 - sine exactly 0; the cosine would not be.
    const double sine = std::sin(static_cast<double>(noise) * std::acos(0.0));
    const double cosine = std::sqrt((1.0 - sine) * (1.0 + sine));

    step_table table;
    table.initial_sigma = initial_sigma(p, grid.front());
    for (std::size_t i = 0; i + 1 < grid.size(); ++i) {
      const double most = added_noise(p, grid[i + 1]);
      const auto step =
          noised_prediction(exact_level(p, grid[i]), exact_level(p, grid[i + 1]), most * cosine, most * sine);
      table.rows.push_back(transition_row(p, grid[i], grid[i + 1], step));
    }
    table.rows.push_back(transition_row(p, grid.back(), p.min_time(), {0, 1, 0}));
    train_rows(table, network_calls - 1);
    table.result = emitted::clean;
    check(table);
    return table;
  }

  /// The deterministic steps at the same times.
  [[nodiscard]] cps_sampler without_noise() const { return {0.0f, times}; }
};

static_assert(sampler<cps_sampler, edm_consistency> && sampler<cps_sampler, lcm> &&
              sampler<cps_sampler, flow_matching>);

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_table.hpp>
#include <fewstep/sampler/time_grid.hpp>
#include <fewstep/sampler/transition_row.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

/// The table of "predict the clean sample, noise it to the next time": Song et al. 2023 (arXiv:2303.01469),
/// algorithm 1, as a policy: Oertell et al. 2024 (arXiv:2404.03673), section 4 with the noise of the time noised to.
///
///   x' = signal(t') f(x, t) + sqrt(noise(t')^2 - (signal(t') floor)^2) z
///
/// floor is the noise that f keeps. The last row follows `last`; `final_sigma` is the noise of last_step::stochastic.
/// Rows at the end without noise, or where f is x (time 0 of an lcm), are not trained. Errors name `who`.
template <preconditioning P>
[[nodiscard]] step_table renoising_table(const P& p, std::span<const float> times, last_step last, float final_sigma,
                                         std::string_view who) {
  const std::size_t horizon = times.size();
  expects(horizon > 1 || last == last_step::stochastic, [&] {
    return message(who, ": horizon is 1 but last_step is ", last == last_step::mask ? "mask" : "reference",
                   "; use horizon >= 2 or last_step::stochastic");
  });
  expects(last != last_step::stochastic || final_sigma > 0, [&] {
    return message(who, ": last_step is stochastic but final_sigma is ", final_sigma,
                   "; give the last transition a positive noise");
  });

  step_table table;
  table.initial_sigma = initial_sigma(p, times.front());
  for (std::size_t i = 0; i < horizon; ++i) {
    const bool is_last = i + 1 == horizon;
    if (is_last && last == last_step::mask) {
      table.rows.push_back(transition_row(p, times[i], p.min_time(), {0, 1, 0}));
    } else if (is_last && last == last_step::stochastic) {
      table.rows.push_back(transition_row(p, times[i], p.min_time(), {0, 1, static_cast<double>(final_sigma)}));
    } else {
      const float next_time = is_last ? times[i] : times[i + 1];
      const double sigma = added_noise(p, next_time);
      table.rows.push_back(transition_row(p, times[i], next_time, {0, exact_level(p, next_time).signal, sigma}));
    }
  }
  train_rows(table, static_cast<int>(last == last_step::mask ? horizon - 1 : horizon));
  table.result = last == last_step::stochastic ? emitted::state : emitted::clean;
  check(table);
  return table;
}

/// Multistep consistency sampling with any preconditioning; see renoising_table.
struct consistency_sampler {
  std::vector<float> times = {};     ///< one per network call, falling; empty: default_times
  last_step last = last_step::mask;  ///< what becomes of the last transition
  float final_sigma = 0.05f;         ///< noise of last_step::stochastic, in units of the sample

  static constexpr std::string_view name = "consistency_sampler";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("times", times);
    visit("last", last);
    visit("final_sigma", final_sigma, at_least(0));
  }

  template <preconditioning P>
  [[nodiscard]] step_table table(const P& p, int network_calls) const {
    check_settings(*this);
    return renoising_table(p, checked_times(p, times, network_calls, name), last, final_sigma, name);
  }
};

static_assert(sampler<consistency_sampler, edm_consistency> && sampler<consistency_sampler, lcm>);

}  // namespace fewstep

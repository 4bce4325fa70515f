// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace fewstep {

/// Which of the timesteps a latent consistency model was distilled at are used for k network calls.
enum class timestep_rule : std::uint8_t {
  rlcm,       ///< every floor(origin / k)-th, as RLCM and diffusers until 0.23: a gap stays at the low end
  diffusers,  ///< floor(i (origin / k)), as diffusers since, with the rounding of the quotient in double precision
};

/// Sampler of latent consistency models: Luo et al. 2023 (arXiv:2310.04378), algorithm 3, with the last transition as
/// asked for. A model distilled from `origin_steps` of N timesteps knows the times N/origin j - 1, j = 1..origin.
struct lcm_sampler {
  timestep_rule rule = timestep_rule::rlcm;
  int origin_steps = 50;
  last_step last = last_step::mask;
  float final_sigma = 0.05f;  ///< noise of last_step::stochastic, in units of the sample

  static constexpr std::string_view name = "lcm_sampler";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("rule", rule);
    visit("origin_steps", origin_steps, at_least(1));
    visit("last", last);
    visit("final_sigma", final_sigma, at_least(0));
  }

  /// The k timesteps, falling, e.g. 999 759 519 279 for k = 4.
  template <discrete_preconditioning P>
  [[nodiscard]] std::vector<float> timesteps(const P& p, int network_calls) const {
    expects(origin_steps >= 1 && origin_steps <= p.training_steps(), [&] {
      return message("lcm_sampler: origin_steps is ", origin_steps, "; it must be in [1, ", p.training_steps(), "]");
    });
    expects(network_calls >= 1 && network_calls <= origin_steps, [&] {
      return message("lcm_sampler: horizon is ", network_calls, "; it must be in [1, ", origin_steps,
                     "], the timesteps the model was distilled at (origin_steps)");
    });
    const int spacing = p.training_steps() / origin_steps;
    std::vector<float> times;
    for (int i = 0; i < network_calls; ++i) {
      const int skipped = rule == timestep_rule::rlcm
                              ? origin_steps / network_calls * i
                              : static_cast<int>(i * (static_cast<double>(origin_steps) / network_calls));
      times.push_back(static_cast<float>(spacing * (origin_steps - skipped) - 1));
    }
    return times;
  }

  template <discrete_preconditioning P>
  [[nodiscard]] step_table table(const P& p, int network_calls) const {
    check_settings(*this);
    return renoising_table(p, timesteps(p, network_calls), last, final_sigma, name);
  }
};

static_assert(sampler<lcm_sampler, lcm> && !sampler<lcm_sampler, edm_consistency>);

}  // namespace fewstep

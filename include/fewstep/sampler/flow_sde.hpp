// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/reverse_sde.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_table.hpp>
#include <fewstep/sampler/time_grid.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

/// A rectified flow sampled with noise, the policy of Flow-GRPO: Liu et al. 2025 (arXiv:2505.05470), section 4.2.
///
///   x' = x + (v + s^2 / (2 t) (x + (1 - t) v)) dt + s sqrt(-dt) z,    s = a sqrt(t / (1 - t))
///
/// with v = (x - f) / t and dt = t' - t < 0: reverse_sde_step with that diffusion. At the noisiest time of the process,
/// where 1 - t is 0 or nearly so, 1 - t under the root is that of the second call, as in the published code.
///
/// For preconditionings with signal = 1 - t and noise = t; an EDM network becomes one by rectified_flow<P>, whose times
/// are sigma = t / (1 - t). The result is the last state. As published (last_step::reference), the last step leaves its
/// noise in it, 0.2 for a step from t = 0.25; the default leaves it out. See reverse_sde_table.
struct flow_sde_sampler {
  float noise = 0.7f;                ///< a
  std::vector<float> times = {};     ///< one per network call, falling; empty: default_times
  last_step last = last_step::mask;  ///< what becomes of the last transition

  static constexpr std::string_view name = "flow_sde_sampler";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("noise", noise, at_least(0));
    visit("times", times);
    visit("last", last);
  }

  template <preconditioning P>
  [[nodiscard]] step_table table(const P& p, int network_calls) const {
    check_settings(*this);
    const std::vector<float> grid = checked_times(p, times, network_calls, "flow_sde_sampler");
    expects(network_calls > 1 || noise == 0.0f,
            "flow_sde_sampler: horizon is 1, but the noise of the first call is that of the second; use horizon >= 2");
    return reverse_sde_table(p, grid, last, "flow_sde_sampler", [&](std::size_t k, std::span<const double> t) {
      const double signal = 1.0 - (grid[k] == p.max_time() ? t[k + 1] : t[k]);
      return static_cast<double>(noise) * std::sqrt(t[k] / signal);
    });
  }

  /// Euler's method for the flow at the same times.
  [[nodiscard]] flow_sde_sampler without_noise() const { return {0.0f, times, last}; }
};

static_assert(sampler<flow_sde_sampler, flow_matching> && sampler<flow_sde_sampler, rectified_flow<edm_denoiser>>);

}  // namespace fewstep

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

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

/// A rectified flow sampled with the same noise at all times, the policy of DanceGRPO: Xue et al. 2025
/// (arXiv:2505.07818).
///
///   x' = x + (v - eta^2 score / 2) dt + eta sqrt(-dt) z,    score = -(x - (1 - t) f) / t^2
///
/// with v = (x - f) / t and dt = t' - t < 0: reverse_sde_step with the diffusion eta. The drift towards f grows as
/// 1 / t^2; steps with eta^2 |dt| > 2 t^2 overshoot.
///
/// For preconditionings with signal = 1 - t and noise = t; an EDM network becomes one by rectified_flow<P>, whose times
/// are sigma = t / (1 - t). The result is the last state. In the published code it is the last clean prediction and the
/// last step is not trained, which is the default here: without noise, the step to t' = 0 leads to the prediction. See
/// reverse_sde_table.
struct dance_sde_sampler {
  float eta = 0.3f;
  std::vector<float> times = {};     ///< one per network call, falling; empty: default_times
  last_step last = last_step::mask;  ///< what becomes of the last transition

  static constexpr std::string_view name = "dance_sde_sampler";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("eta", eta, at_least(0));
    visit("times", times);
    visit("last", last);
  }

  template <preconditioning P>
  [[nodiscard]] step_table table(const P& p, int network_calls) const {
    check_settings(*this);
    const std::vector<float> grid = checked_times(p, times, network_calls, "dance_sde_sampler");
    expects(network_calls > 1 || eta == 0.0f || last == last_step::stochastic,
            "dance_sde_sampler: horizon is 1, but the last step is not trained; use horizon >= 2 or "
            "last_step::stochastic");
    return reverse_sde_table(p, grid, last, "dance_sde_sampler",
                             [&](std::size_t, std::span<const double>) { return static_cast<double>(eta); });
  }

  /// Euler's method for the flow at the same times.
  [[nodiscard]] dance_sde_sampler without_noise() const { return {0.0f, times, last}; }
};

static_assert(sampler<dance_sde_sampler, flow_matching> && sampler<dance_sde_sampler, rectified_flow<edm_denoiser>>);

}  // namespace fewstep

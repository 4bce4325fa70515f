// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/consistency_steps.hpp>
#include <fewstep/algorithm/named_algorithm.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>

namespace fewstep {

/// As published for the compression tasks (Oertell et al. 2024, table 1), but for two things: the last step is not
/// trained, where the published noise on it is variance and nothing else, and the clip range follows the dimension.
/// .sampler = consistency_sampler{.last = last_step::reference} and .objective = clipped_surrogate{1e-4f} are the
/// published ones.
struct rlcm_defaults : policy_gradient_defaults {
  [[nodiscard]] static policy_gradient_options options() { return usual_policy_gradient_options(); }
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend&, const Generator& model, const Given&, const policy_gradient_options&) {
    return policy_gradient_parts{.objective = clipped_surrogate{},
                                 .advantage = prompt_buffer_advantage{},
                                 .sampler = detail::consistency_steps(model)};
  }
};

/// RL for consistency models: Oertell, Chang, Zhang, Brantley and Sun 2024 (arXiv:2404.03673), algorithm 1.
///
///   for each update: draw prompts, sample with the H-step consistency sampler, rate the results,
///   normalise rewards per prompt, and ascend mean over samples and steps of
///   min(A rho, A clip(rho, 1 - eps, 1 + eps)),  rho = pi(x_{k+1} | x_k) / pi_old(x_{k+1} | x_k).
///
/// The sampler is the multistep consistency sampler, or LCM's where the generator has discrete timesteps. Called as
/// named_algorithm says.
inline constexpr named_algorithm<rlcm_defaults> rlcm{};

}  // namespace fewstep

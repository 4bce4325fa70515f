// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/consistency_steps.hpp>
#include <fewstep/algorithm/named_algorithm.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
#include <fewstep/objective/reward_regression.hpp>

namespace fewstep {

/// Those of RLCM's authors (Oertell et al. 2024, arXiv:2404.03673), who take pairs of samples and clip no gradient; eta
/// is 1 (.objective = reward_regression{.eta = 1}).
struct rebel_defaults : policy_gradient_defaults {
  [[nodiscard]] static policy_gradient_options options() {
    policy_gradient_options o = usual_policy_gradient_options();
    o.batch.samples_per_prompt = 2;
    o.training.max_gradient_norm = 0;
    return o;
  }
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend&, const Generator& model, const Given&, const policy_gradient_options&) {
    return policy_gradient_parts{.objective = reward_regression{},
                                 .advantage = prompt_buffer_advantage{},
                                 .sampler = detail::consistency_steps(model)};
  }
};

/// Regression to relative rewards: Gao et al. 2024 (arXiv:2404.16767), algorithm 1, on the consistency model's steps.
///
///   for each update: draw prompts, sample pairs y, y' of each, rate them, and descend
///   ( (1/eta) ((log pi - log pi_old)(y) - (log pi - log pi_old)(y')) - (A(y) - A(y')) )^2
///
/// with log pi the sum over the trained steps. No clip range, no critic. A minibatch keeps the samples of a prompt
/// together; from the second optimizer step on, log-ratios cost a prediction of each of its rows. A KL to a reference
/// is summed over the steps too, where the other algorithms take its mean. Called as named_algorithm says.
inline constexpr named_algorithm<rebel_defaults> rebel{};

}  // namespace fewstep

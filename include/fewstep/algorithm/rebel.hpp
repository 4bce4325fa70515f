// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/objective/reward_regression.hpp>

#include <utility>
#include <vector>

namespace fewstep {

/// Settings of REBEL on a consistency model; the defaults are those of RLCM's authors (Oertell et al. 2024,
/// arXiv:2404.03673), who take pairs of samples and clip no gradient.
struct rebel_options {
  float eta = 1;
  int horizon = 8;
  int first_trained = 0;
  int prompts_per_update = 16;
  int samples_per_prompt = 2;
  fewstep::reduction reduction = fewstep::reduction::mean;
  last_step last = last_step::mask;
  float final_sigma = 0.05f;      ///< of last_step::stochastic
  std::vector<float> times = {};  ///< one per network call, decreasing; empty: the sampler's own
  int inner_epochs = 1;
  int optimizer_steps = 1;
  float max_gradient_norm = 0;  ///< 0: no clipping
  rate_schedule schedule{};
  reward_check rewards{};
  float ema_decay = 0;
  std::size_t memory_budget = std::size_t{1} << 30;
  std::uint64_t seed = 0;
};

/// Regression to relative rewards: Gao et al. 2024 (arXiv:2404.16767), algorithm 1, on the consistency model's steps.
///
///   for each update: draw prompts, sample pairs y, y' of each, rate them, and descend
///   ( (1/eta) ((log pi - log pi_old)(y) - (log pi - log pi_old)(y')) - (A(y) - A(y')) )^2
///
/// with log pi the sum over the trained steps. No clip range, no critic. A minibatch keeps the samples of a prompt
/// together; from the second optimizer step on, log-ratios cost a prediction of each of its rows. A KL to a reference
/// is summed over the steps too, where the other algorithms take its mean. Backend, generator and the regularizer's
/// reference must outlive the trainer.
template <class Backend, class Generator, class Reward, class Optimizer, class Advantage = prompt_buffer_advantage,
          class Regularizer = no_regularizer>
[[nodiscard]] auto rebel(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                         rebel_options o = {}, Advantage&& advantage = {}, Regularizer&& regularizer = {}) {
  policy_gradient_parts parts{detail::consistency_steps(model, o),       detail::part_of<Reward>(reward),
                              detail::part_of<Advantage>(advantage),     reward_regression{o.eta},
                              detail::part_of<Regularizer>(regularizer), detail::part_of<Optimizer>(optimizer)};
  return policy_gradient<Backend, Generator, decltype(parts)>(backend, model, std::move(parts),
                                                              detail::common_options(o));
}

}  // namespace fewstep

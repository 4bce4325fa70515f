// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>

#include <functional>
#include <utility>

namespace fewstep {

/// RLCM with the gradient that its last call lacks: the first H - 1 calls are stochastic and learn from the policy
/// gradient; through the deterministic last one goes the gradient of the reward itself,
///
///   ascend RLCM's surrogate + weight mean r(decode(f(x_{H-1}, tau_{H-1}))),
///
/// so every call learns. For rewards with a gradient (differentiable_reward). The two terms have units of their own:
/// an advantage is standardised, a reward is not, so `weight` is the reward's to choose (1 over its standard deviation
/// weighs them alike); o.rewards holds for both. As the hybrid policy gradient of few-step distilled models (RTDMD,
/// 2026), which publishes a weight of 1e-4 with a margin. Backend, generator, reward and the regularizer's reference
/// must outlive the trainer.
template <class Backend, class Generator, class Reward, class Optimizer, class Advantage = prompt_buffer_advantage,
          class Regularizer = no_regularizer>
[[nodiscard]] auto rlcm_hybrid(Backend& backend, Generator& model, Reward& reward, Optimizer&& optimizer,
                               rlcm_options o = {}, reward_loss through_last_step = {}, Advantage&& advantage = {},
                               Regularizer&& regularizer = {}) {
  through_last_step.rewards = o.rewards;
  policy_gradient_parts parts{.sampler = detail::consistency_steps(model, o),
                              .reward = std::ref(reward),
                              .advantage = detail::part_of<Advantage>(advantage),
                              .objective = clipped_surrogate{o.clip_range},
                              .regularizer = detail::part_of<Regularizer>(regularizer),
                              .optimizer = detail::part_of<Optimizer>(optimizer),
                              .auxiliary = last_step_reward(backend, std::ref(reward), through_last_step)};
  return policy_gradient<Backend, Generator, decltype(parts)>(backend, model, std::move(parts),
                                                              detail::common_options(o));
}

}  // namespace fewstep

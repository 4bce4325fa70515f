// SPDX-License-Identifier: Apache-2.0
#include "learner_with.hpp"
#include "text_to_emoji/drawing.hpp"

#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/rlcm_hybrid.hpp>
#include <fewstep/optimizer/adam.hpp>

namespace paper {
namespace {

using fewstep::cpu_backend;
using policy = consistency_policy;

}  // namespace

std::unique_ptr<learner> make_direct_learner(cpu_backend& host, const train_settings& s, const prompt_texts& prompts,
                                             const task_reward& reward) {
  const fewstep::adam optimizer{.learning_rate = s.learning_rate};
  const fewstep::consistency_sampler steps{.times = text_to_emoji::times_for(s.horizon)};
  const learner_maker<policy> learn{host, s, prompts, reward};
  // Of the reward's gradient beside a standardised advantage.
  const float weight = 1.0f / reward.deviation();
  if (s.method == "rlcm_hybrid")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::rlcm_hybrid(
          b, p.model,
          fewstep::policy_gradient_parts{.reward = reward,
                                         .optimizer = optimizer,
                                         .sampler = steps,
                                         .regularizer = std::move(regularizer),
                                         .auxiliary = fewstep::last_step_reward(b, reward, {.weight = weight})},
          common<fewstep::policy_gradient_options>(s));
    });
  const fewstep::direct_reward_gradient_parts parts{.reward = reward, .optimizer = optimizer, .sampler = steps};
  auto o = common<fewstep::direct_reward_gradient_options>(s);
  if (s.method == "draft") {
    o.steps_with_gradient = s.horizon;
    return learn(steps, [&](cpu_backend& b, policy& p) { return fewstep::draft(b, p.model, parts, o); });
  }
  o.weight = weight;
  o.margin = 1e6f;  // no reward here is good enough
  return learn(steps, [&](cpu_backend& b, policy& p) { return fewstep::refl(b, p.model, parts, o); });
}

}  // namespace paper

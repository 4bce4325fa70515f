// SPDX-License-Identifier: Apache-2.0
#include "learner_with.hpp"
#include "text_to_emoji/drawing.hpp"

#include <fewstep/algorithm/grpo.hpp>
#include <fewstep/algorithm/rebel.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>

#include <utility>

namespace paper {
namespace {

using fewstep::cpu_backend;
using fewstep::policy_gradient_options;
using fewstep::policy_gradient_parts;
using policy = consistency_policy;

}  // namespace

std::unique_ptr<learner> make_consistency_learner(cpu_backend& host, const train_settings& s,
                                                  const prompt_texts& prompts, const task_reward& reward) {
  const fewstep::adam optimizer{.learning_rate = s.learning_rate};
  const fewstep::consistency_sampler steps{.times = text_to_emoji::times_for(s.horizon)};
  const fewstep::cps_sampler cps{.times = steps.times};
  const learner_maker<policy> learn{host, s, prompts, reward};
  const auto o = common<policy_gradient_options>(s);
  const auto with = [&](const auto& sampler, auto regularizer) {
    return policy_gradient_parts{
        .reward = reward, .optimizer = optimizer, .sampler = sampler, .regularizer = std::move(regularizer)};
  };
  if (s.method == "rlcm")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::rlcm(b, p.model, with(steps, std::move(regularizer)), o);
    });
  if (s.method == "reinforce")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::rlcm(b, p.model,
                           policy_gradient_parts{.reward = reward,
                                                 .optimizer = optimizer,
                                                 .objective = fewstep::reinforce{},
                                                 .sampler = steps,
                                                 .regularizer = std::move(regularizer)},
                           o);
    });
  if (s.method == "rebel")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      policy_gradient_options clipped = o;
      clipped.training.max_gradient_norm = 5;
      return fewstep::rebel(b, p.model, with(steps, std::move(regularizer)), clipped);
    });
  if (s.method == "grpo")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::grpo(b, p.model, with(steps, std::move(regularizer)), o);
    });
  if (s.method == "cps_grpo")
    return learn.regularized(cps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::cps_grpo(b, p.model, with(cps, std::move(regularizer)), o);
    });
  return learn.regularized(cps, [&](cpu_backend& b, policy& p, auto regularizer) {
    return fewstep::flow_dppo(b, p.model, with(cps, std::move(regularizer)), o);
  });
}

}  // namespace paper

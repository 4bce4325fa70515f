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
  if (s.method == "rlcm_hybrid") {
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      auto o = common<fewstep::rlcm_options>(s);
      o.times = steps.times;
      fewstep::policy_gradient_parts parts{.sampler = steps,
                                           .reward = reward,
                                           .objective = fewstep::clipped_surrogate{o.clip_range},
                                           .regularizer = std::move(regularizer),
                                           .optimizer = optimizer,
                                           .auxiliary = fewstep::last_step_reward(b, reward, {.weight = weight})};
      return fewstep::policy_gradient<cpu_backend, decltype(p.model), decltype(parts)>(
          b, p.model, std::move(parts), fewstep::detail::common_options(o));
    });
  }
  if (s.method == "draft")
    return learn(steps, [&](cpu_backend& b, policy& p) {
      auto o = common<fewstep::draft_options>(s);
      o.steps_with_gradient = s.horizon;
      o.times = steps.times;
      return fewstep::draft(b, p.model, reward, optimizer, o);
    });
  return learn(steps, [&](cpu_backend& b, policy& p) {
    auto o = common<fewstep::refl_options>(s);
    o.weight = weight;
    o.margin = 1e6f;  // no reward here is good enough
    o.times = steps.times;
    return fewstep::refl(b, p.model, reward, optimizer, o);
  });
}

}  // namespace paper

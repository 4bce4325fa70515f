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
using policy = consistency_policy;

/// The times of the sampler, known once the horizon is.
template <class Options>
Options timed(const train_settings& s, Options o = {}) {
  o = common<Options>(s, std::move(o));
  o.times = text_to_emoji::times_for(s.horizon);
  return o;
}

}  // namespace

std::unique_ptr<learner> make_consistency_learner(cpu_backend& host, const train_settings& s,
                                                  const prompt_texts& prompts, const task_reward& reward) {
  const fewstep::adam optimizer{.learning_rate = s.learning_rate};
  const fewstep::consistency_sampler steps{.times = text_to_emoji::times_for(s.horizon)};
  const fewstep::cps_sampler cps{.times = steps.times};
  const learner_maker<policy> learn{host, s, prompts, reward};
  if (s.method == "rlcm")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::rlcm(b, p.model, reward, optimizer, timed<fewstep::rlcm_options>(s),
                           fewstep::prompt_buffer_advantage{}, std::move(regularizer));
    });
  if (s.method == "reinforce")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      fewstep::policy_gradient_parts parts{.sampler = steps,
                                           .reward = reward,
                                           .objective = fewstep::reinforce{},
                                           .regularizer = std::move(regularizer),
                                           .optimizer = optimizer};
      return fewstep::policy_gradient<cpu_backend, decltype(p.model), decltype(parts)>(
          b, p.model, std::move(parts), common<fewstep::policy_gradient_options>(s));
    });
  if (s.method == "rebel")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::rebel(b, p.model, reward, optimizer, timed<fewstep::rebel_options>(s, {.max_gradient_norm = 5}),
                            fewstep::prompt_buffer_advantage{}, std::move(regularizer));
    });
  const auto grouped = common<fewstep::grpo_options>(s);
  if (s.method == "grpo")
    return learn.regularized(steps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::grpo(b, p.model, reward, optimizer, grouped, steps, fewstep::clipped_surrogate{},
                           fewstep::all_steps{}, std::move(regularizer));
    });
  if (s.method == "cps_grpo")
    return learn.regularized(cps, [&](cpu_backend& b, policy& p, auto regularizer) {
      return fewstep::grpo(b, p.model, reward, optimizer, grouped, cps, fewstep::clipped_surrogate{},
                           fewstep::all_steps{}, std::move(regularizer));
    });
  return learn.regularized(cps, [&](cpu_backend& b, policy& p, auto regularizer) {
    return fewstep::flow_dppo(b, p.model, reward, optimizer, grouped, cps, fewstep::divergence_mask{},
                              std::move(regularizer));
  });
}

}  // namespace paper

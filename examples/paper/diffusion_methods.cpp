// SPDX-License-Identifier: Apache-2.0
#include "learner_with.hpp"

#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <utility>

namespace paper {

std::unique_ptr<learner> make_diffusion_learner(fewstep::cpu_backend& host, const train_settings& s,
                                                const prompt_texts& prompts, const task_reward& reward) {
  using fewstep::cpu_backend;
  const fewstep::adamw optimizer{.learning_rate = s.learning_rate, .weight_decay = 1e-4f};
  const learner_maker<diffusion_policy> learn{host, s, prompts, reward};
  const fewstep::ddim_sampler steps{};
  const auto o = common<fewstep::policy_gradient_options>(s);
  const auto with = [&](auto regularizer) {
    return fewstep::policy_gradient_parts{
        .reward = reward, .optimizer = optimizer, .regularizer = std::move(regularizer)};
  };
  if (s.method == "ddpo_sf")
    return learn.regularized(steps, [&](cpu_backend& b, diffusion_policy& p, auto regularizer) {
      return fewstep::ddpo_sf(b, p.model, with(std::move(regularizer)), o);
    });
  return learn.regularized(steps, [&](cpu_backend& b, diffusion_policy& p, auto regularizer) {
    return fewstep::ddpo(b, p.model, with(std::move(regularizer)), o);
  });
}

}  // namespace paper

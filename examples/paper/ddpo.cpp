// SPDX-License-Identifier: Apache-2.0
#include "learner_with.hpp"
#include "text_to_emoji/picture_size_reward.hpp"

#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/optimizer/adam.hpp>

namespace paper {

std::unique_ptr<learner> make_ddpo(fewstep::cpu_backend& host, const train_settings& s) {
  return make_learner_with<diffusion_policy>(host, s, [&s](fewstep::cpu_backend& backend, diffusion_policy& p) {
    return fewstep::ddpo(backend, p.model, text_to_emoji::picture_size_reward::of(s.reward, backend.threads()),
                         fewstep::adamw{.learning_rate = s.learning_rate, .weight_decay = 1e-4f},
                         {.horizon = s.horizon,
                          .prompts_per_update = s.prompts,
                          .samples_per_prompt = s.samples,
                          .optimizer_steps = s.optimizer_steps,
                          .seed = s.seed});
  });
}

}  // namespace paper

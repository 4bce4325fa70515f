// SPDX-License-Identifier: Apache-2.0
#include "learner_with.hpp"
#include "text_to_emoji/picture_size_reward.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/optimizer/adam.hpp>

namespace paper {

std::unique_ptr<learner> make_rlcm(fewstep::cpu_backend& host, const train_settings& s) {
  return make_learner_with<consistency_policy>(host, s, [&s](fewstep::cpu_backend& backend, consistency_policy& p) {
    return fewstep::rlcm(backend, p.model, text_to_emoji::picture_size_reward::of(s.reward, backend.threads()),
                         fewstep::adam{.learning_rate = s.learning_rate},
                         {.horizon = s.horizon,
                          .prompts_per_update = s.prompts,
                          .samples_per_prompt = s.samples,
                          .times = text_to_emoji::times_for(s.horizon),
                          .optimizer_steps = s.optimizer_steps,
                          .seed = s.seed});
  });
}

}  // namespace paper

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emoji_generator.hpp"
#include "emoji_reward.hpp"
#include "settings.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/async.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

namespace text_to_emoji {

/// The advantage asked for by name.
class chosen_advantage {
 public:
  explicit chosen_advantage(const std::string& name) {
    if (name == "group")
      chosen_ = fewstep::group_advantage{.scale = fewstep::group_scale::batch_std};
    else if (name == "buffer")
      chosen_ = fewstep::prompt_buffer_advantage{};
    else if (name == "batch")
      chosen_ = fewstep::batch_advantage{};
    else
      fewstep::expects(
          false, [&] { return fewstep::message("there is no advantage '", name, "'; use group, buffer or batch"); });
  }

  void operator()(std::span<const float> rewards, std::span<const std::int32_t> prompts, std::span<float> out) {
    std::visit([&](auto& model) { model(rewards, prompts, out); }, chosen_);
  }

  template <class Archive>
  void serialize(Archive& archive) {
    std::visit(
        [&](auto& model) {
          if constexpr (requires { model.serialize(archive); }) model.serialize(archive);
        },
        chosen_);
  }

 private:
  std::variant<fewstep::group_advantage, fewstep::prompt_buffer_advantage, fewstep::batch_advantage> chosen_;
};

[[nodiscard]] inline fewstep::last_step last_step_of(const std::string& name) {
  if (name == "reference") return fewstep::last_step::reference;
  if (name == "stochastic") return fewstep::last_step::stochastic;
  fewstep::expects(name == "mask", [&] {
    return fewstep::message("there is no last step '", name, "'; use mask, reference or stochastic");
  });
  return fewstep::last_step::mask;
}

/// The trainer that the settings ask for. Model and regularizer's reference must outlive it.
template <class Backend, class Regularizer = fewstep::no_regularizer>
[[nodiscard]] auto make_trainer(Backend& backend, emoji_generator<Backend>& model, const finetune_settings& s,
                                Regularizer regularizer = {}) {
  return fewstep::rlcm(
      backend, model,
      fewstep::policy_gradient_parts{
          .reward = fewstep::async(make_reward(s.task, s.reward_model, model.words())),
          .optimizer = fewstep::adam{.learning_rate = s.learning_rate},
          .objective = fewstep::clipped_surrogate{.clip_range = s.clip},
          .advantage = chosen_advantage(s.advantage),
          .sampler = fewstep::consistency_sampler{.times = s.times, .last = last_step_of(s.last_step)},
          .regularizer = std::move(regularizer)},
      {.horizon = s.horizon,
       .first_trained = s.first_trained,
       .batch = {.prompts = s.prompts, .samples_per_prompt = s.samples},
       .training = {.schedule = {.warmup = s.updates / 8, .hold = s.updates / 2, .total = s.updates, .final = 0.1f},
                    .memory_budget = static_cast<std::size_t>(s.memory_budget * 1e6),
                    .seed = s.seed}});
}

}  // namespace text_to_emoji

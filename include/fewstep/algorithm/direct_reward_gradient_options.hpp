// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/batch_options.hpp>
#include <fewstep/algorithm/training_options.hpp>
#include <fewstep/core/published.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/loss/reward_loss.hpp>

#include <limits>
#include <optional>
#include <string_view>

namespace fewstep {

/// Settings of a direct reward gradient, the same for every algorithm by name. A number that is not given is the
/// algorithm's published one; of direct_reward_gradient itself, draft's.
struct direct_reward_gradient_options {
  published<int> horizon{};        ///< network calls per sample
  int steps_with_gradient = 1;     ///< K: the gradient goes through the last K of them
  bool random_truncation = false;  ///< as AlignProp has it: K is drawn for each update, from 1 to steps_with_gradient
  /// The sampler is left at a random call from this one (from 0) on, drawn for each update, and the clean prediction of
  /// that call is the result; empty: the algorithm's, of which only refl jumps.
  std::optional<int> jump_from = {};
  published<float> weight{};  ///< of the reward in the loss
  published<float> margin{};  ///< the reward beyond which nothing is to be gained; infinite: there is none
  batch_options batch{};
  training_options training{};

  static constexpr std::string_view name = "direct_reward_gradient";
  template <class Visitor>
  void settings(Visitor& visit) const {
    const int calls = horizon.or_else(std::numeric_limits<int>::max());
    visit("horizon", horizon, at_least(1));
    visit("steps_with_gradient", steps_with_gradient, between(1, calls).remark("the horizon is the most"));
    visit("random_truncation", random_truncation);
    visit("jump_from", jump_from, between(0, calls - 1).remark("calls are numbered from 0"));
    visit("weight", weight, at_least(0));
    visit("margin", margin, valid_range{}.or_infinite().remark("the reward that is good enough"));
    visit("batch", batch);
    visit("training", training);
  }

  /// The loss that a reward is differentiated in.
  [[nodiscard]] reward_loss loss() const { return {.weight = weight, .margin = margin, .rewards = batch.rewards}; }
};

/// The options, what they do not say being that of `defaults`.
[[nodiscard]] inline direct_reward_gradient_options with_defaults(direct_reward_gradient_options o,
                                                                  const direct_reward_gradient_options& defaults) {
  o.horizon = o.horizon.or_else(defaults.horizon);
  o.weight = o.weight.or_else(defaults.weight);
  o.margin = o.margin.or_else(defaults.margin);
  o.batch = with_defaults(o.batch, defaults.batch);
  o.training = with_defaults(o.training, defaults.training);
  return o;
}

/// What direct_reward_gradient itself falls back on: draft's.
[[nodiscard]] inline direct_reward_gradient_options usual_direct_reward_gradient_options() {
  return {.horizon = 4,
          .weight = 1,
          .margin = std::numeric_limits<float>::infinity(),
          .batch = {.prompts = 16, .samples_per_prompt = 1, .shared_initial_noise = false},
          .training = {.max_gradient_norm = 5}};
}

}  // namespace fewstep

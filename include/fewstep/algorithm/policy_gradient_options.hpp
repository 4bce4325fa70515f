// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/batch_options.hpp>
#include <fewstep/algorithm/training_options.hpp>
#include <fewstep/core/published.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/mdp/state_storage.hpp>

#include <string_view>

namespace fewstep {

/// Settings of a policy gradient, the same for every algorithm by name. A number that is not given is the algorithm's
/// published one; of policy_gradient itself, RLCM's.
struct policy_gradient_options {
  published<int> horizon{};          ///< network calls per sample
  int first_trained = 0;             ///< network calls before this one (from 0) are sampled and not trained
  int inner_epochs = 1;              ///< passes over the rollout's rows
  published<int> optimizer_steps{};  ///< minibatches of a pass; with more than one, rows are permuted
  fewstep::reduction reduction = fewstep::reduction::mean;
  state_storage store_states_as = state_storage::float32;  ///< of trajectories; in 16 bits they take half of the memory
  batch_options batch{};
  training_options training{};

  static constexpr std::string_view name = "policy_gradient";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("horizon", horizon, at_least(1));
    visit("first_trained", first_trained, at_least(0));
    visit("inner_epochs", inner_epochs, at_least(1));
    visit("optimizer_steps", optimizer_steps, at_least(1));
    visit("reduction", reduction);
    if (store_states_as != state_storage::float32) visit("store_states_as", store_states_as);
    visit("batch", batch);
    visit("training", training);
  }
};

/// The options, what they do not say being that of `defaults`.
[[nodiscard]] inline policy_gradient_options with_defaults(policy_gradient_options o,
                                                           const policy_gradient_options& defaults) {
  o.horizon = o.horizon.or_else(defaults.horizon);
  o.optimizer_steps = o.optimizer_steps.or_else(defaults.optimizer_steps);
  o.batch = with_defaults(o.batch, defaults.batch);
  o.training = with_defaults(o.training, defaults.training);
  return o;
}

/// What policy_gradient itself falls back on: RLCM's.
[[nodiscard]] inline policy_gradient_options usual_policy_gradient_options() {
  return {.horizon = 8,
          .optimizer_steps = 1,
          .batch = {.prompts = 16, .samples_per_prompt = 1, .shared_initial_noise = false},
          .training = {.max_gradient_norm = 5}};
}

}  // namespace fewstep

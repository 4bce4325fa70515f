// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/published.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/reward/check.hpp>

#include <string_view>

namespace fewstep {

/// What an update samples, in every trainer with a reward.
struct batch_options {
  published<int> prompts{};  ///< drawn with replacement
  published<int> samples_per_prompt{};
  published<bool> shared_initial_noise{};  ///< the samples of a prompt start from the same state
  reward_check rewards{};                  ///< what becomes of a sample whose reward is not finite

  static constexpr std::string_view name = "batch_options";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("prompts", prompts, at_least(1));
    visit("samples_per_prompt", samples_per_prompt, at_least(1));
    visit("shared_initial_noise", shared_initial_noise);
    visit("rewards", rewards);
  }

  /// Samples of one update.
  [[nodiscard]] index_t samples() const { return index_t{prompts.value()} * samples_per_prompt.value(); }
};

/// The options, what they do not say being that of `defaults`.
[[nodiscard]] inline batch_options with_defaults(batch_options o, const batch_options& defaults) {
  o.prompts = o.prompts.or_else(defaults.prompts);
  o.samples_per_prompt = o.samples_per_prompt.or_else(defaults.samples_per_prompt);
  o.shared_initial_noise = o.shared_initial_noise.or_else(defaults.shared_initial_noise);
  return o;
}

}  // namespace fewstep

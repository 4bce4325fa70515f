// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/reward/check.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fewstep {

struct policy_gradient_options {
  int horizon = 8;              ///< network calls per sample
  int first_trained = 0;        ///< network calls before this one (from 0) are sampled and not trained
  int prompts_per_update = 16;  ///< drawn with replacement
  int samples_per_prompt = 1;
  bool shared_initial_noise = false;  ///< the samples of a prompt start from the same state
  fewstep::reduction reduction = fewstep::reduction::mean;
  int inner_epochs = 1;         ///< passes over the rollout's rows
  int optimizer_steps = 1;      ///< minibatches of a pass; with more than one, rows are permuted
  float max_gradient_norm = 5;  ///< 0: no clipping
  rate_schedule schedule{};
  reward_check rewards{};                            ///< what becomes of a sample whose reward is not finite
  float ema_decay = 0;                               ///< of the EMA of the parameters; 0: none is kept
  std::size_t memory_budget = std::size_t{1} << 30;  ///< bytes of everything the trainer holds; decides the micro-batch
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "policy_gradient";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("horizon", horizon, at_least(1));
    visit("first_trained", first_trained, at_least(0));
    visit("prompts_per_update", prompts_per_update, at_least(1));
    visit("samples_per_prompt", samples_per_prompt, at_least(1));
    visit("shared_initial_noise", shared_initial_noise);
    visit("reduction", reduction);
    visit("inner_epochs", inner_epochs, at_least(1));
    visit("optimizer_steps", optimizer_steps, at_least(1));
    visit("max_gradient_norm", max_gradient_norm, at_least(0).or_infinite().remark("0: no clipping"));
    visit("schedule", schedule);
    visit("rewards", rewards);
    visit("ema_decay", ema_decay, at_least(0).below(1));
    visit.not_compared("memory_budget", memory_budget);
    visit("seed", seed);
  }

  /// Samples of one update.
  [[nodiscard]] index_t batch() const { return index_t{prompts_per_update} * samples_per_prompt; }
};

namespace detail {

/// The options that an algorithm's own have in common with these, under the same names.
template <class Options>
[[nodiscard]] policy_gradient_options common_options(const Options& o) {
  policy_gradient_options common{.horizon = o.horizon,
                                 .prompts_per_update = o.prompts_per_update,
                                 .samples_per_prompt = o.samples_per_prompt,
                                 .reduction = o.reduction,
                                 .inner_epochs = o.inner_epochs,
                                 .optimizer_steps = o.optimizer_steps,
                                 .max_gradient_norm = o.max_gradient_norm,
                                 .schedule = o.schedule,
                                 .rewards = o.rewards,
                                 .ema_decay = o.ema_decay,
                                 .memory_budget = o.memory_budget,
                                 .seed = o.seed};
  if constexpr (requires { o.first_trained; }) common.first_trained = o.first_trained;
  if constexpr (requires { o.shared_initial_noise; }) common.shared_initial_noise = o.shared_initial_noise;
  return common;
}

}  // namespace detail

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/published.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/optimizer/ema.hpp>
#include <fewstep/optimizer/parameter_update_options.hpp>
#include <fewstep/optimizer/schedule.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fewstep {

/// How the parameters move, and with what memory and random numbers, in every trainer with a reward.
struct training_options {
  published<float> max_gradient_norm{};  ///< 0: no clipping
  linear_schedule schedule{};
  float ema_decay = 0;                               ///< of the EMA of the parameters; 0: none is kept
  std::size_t memory_budget = std::size_t{1} << 30;  ///< bytes of everything the trainer holds; decides the micro-batch
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "training_options";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("max_gradient_norm", max_gradient_norm, at_least(0).or_infinite().remark("0: no clipping"));
    visit("schedule", schedule);
    visit("ema_decay", ema_decay, at_least(0).below(1));
    visit.not_compared("memory_budget", memory_budget);
    visit("seed", seed);
  }

  [[nodiscard]] ema_rule ema() const { return {.decay = ema_decay}; }
  /// What moves the parameters so, once an update of the trainer `who`.
  [[nodiscard]] parameter_update_options update(std::string_view who) const {
    return {.who = who,
            .unit = "update",
            .count = "index",
            .max_gradient_norm = max_gradient_norm,
            .ema = ema(),
            .schedule = schedule};
  }
};

/// The options, what they do not say being that of `defaults`.
[[nodiscard]] inline training_options with_defaults(training_options o, const training_options& defaults) {
  o.max_gradient_norm = o.max_gradient_norm.or_else(defaults.max_gradient_norm);
  return o;
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/training_options.hpp>
#include <fewstep/core/published.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/preference/winner_safeguard.hpp>

#include <string_view>

namespace fewstep {

/// Settings of preference_optimization.
struct preference_optimization_options {
  published<int> optimizer_steps{};  ///< of an update, each on an equal part of its comparisons; else 1
  /// Whether log-ratios are means or sums over the coordinates of a sample. A beta of the one is D times that of the
  /// other; the published ones are of means.
  fewstep::reduction reduction = fewstep::reduction::mean;
  winner_safeguard safeguard{};
  training_options training{};  ///< gradients are clipped at 1 where nothing else is said

  static constexpr std::string_view name = "preference_optimization";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("optimizer_steps", optimizer_steps, at_least(1));
    visit("reduction", reduction);
    visit("safeguard", safeguard);
    visit("training", training);
  }
};

/// The options, what they do not say being that of `defaults`.
[[nodiscard]] inline preference_optimization_options with_defaults(preference_optimization_options o,
                                                                   const preference_optimization_options& defaults) {
  o.optimizer_steps = o.optimizer_steps.or_else(defaults.optimizer_steps);
  o.training = with_defaults(o.training, defaults.training);
  return o;
}

}  // namespace fewstep

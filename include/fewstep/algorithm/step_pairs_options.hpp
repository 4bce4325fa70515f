// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/published.hpp>
#include <fewstep/core/settings.hpp>

#include <string_view>

namespace fewstep {

struct step_pairs_options {
  published<int> prompts{};         ///< drawn with replacement, one trajectory of each; else 10
  published<int> horizon{};         ///< network calls per sample; else 20
  published<int> first_compared{};  ///< the step from which on candidates are drawn; else 4
  published<int> candidates{};      ///< next states that are drawn at a step; else 4
  published<float> least_gap{};     ///< of the softmax of the best and the worst score, below which both tie; else 0.3

  static constexpr std::string_view name = "step_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("prompts", prompts, at_least(1));
    visit("horizon", horizon, at_least(1));
    visit("first_compared", first_compared, at_least(0));
    visit("candidates", candidates, at_least(2));
    visit("least_gap", least_gap, at_least(0).below(1));
  }
};

/// The options, what they do not say being that of SPO.
[[nodiscard]] inline step_pairs_options with_defaults(step_pairs_options o) {
  return {o.prompts.or_else(10), o.horizon.or_else(20), o.first_compared.or_else(4), o.candidates.or_else(4),
          o.least_gap.or_else(0.3f)};
}

}  // namespace fewstep

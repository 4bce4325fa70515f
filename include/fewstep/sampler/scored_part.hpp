// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/scored_range.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <string_view>

namespace fewstep {

/// A sampler of which only some coordinates are the action, such as the ego agent's of a scene:
///
///   scored_part{consistency_sampler{}, {.first = 0, .count = 40}}
///
/// All coordinates are sampled as ever. See scored_range.
template <class Sampler>
struct scored_part {
  Sampler sampler{};
  scored_range range{};

  static constexpr std::string_view name = "scored_part";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("sampler", sampler);
    visit("range", range);
  }

  template <preconditioning P>
  [[nodiscard]] step_table table(const P& p, int network_calls) const {
    step_table of_all = sampler.table(p, network_calls);
    of_all.scored = range;
    return of_all;
  }

  /// The deterministic sampler of the same times, if there is one.
  [[nodiscard]] auto without_noise() const requires requires { sampler.without_noise(); }
  { return sampler.without_noise(); }
};

template <class Sampler>
scored_part(Sampler, scored_range) -> scored_part<Sampler>;

}  // namespace fewstep

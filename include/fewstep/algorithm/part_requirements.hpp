// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/objective/clip_bounds.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>

/// What parts of a policy gradient ask of its options and of each other.
namespace fewstep::detail {

/// Samples of a prompt that a part compares.
template <class Part>
[[nodiscard]] constexpr int least_samples_of(const Part&) {
  if constexpr (requires { Part::least_samples_per_prompt; })
    return Part::least_samples_per_prompt;
  else
    return 1;
}
template <class Parts>
[[nodiscard]] int least_samples(const Parts& parts) {
  return std::max(least_samples_of(parts.advantage), least_samples_of(parts.objective));
}

/// The band of ratios that reports count by; all of them, where the objective has none.
template <class Objective>
[[nodiscard]] clip_bounds clip_range_of(const Objective& objective) {
  if constexpr (requires { objective.clip_range; })
    return objective.clip_range;
  else
    return std::numeric_limits<float>::infinity();
}

template <class Part>
void require_samples_per_prompt(const Part& part, int samples, const char* role) {
  expects(samples >= least_samples_of(part), [&] {
    return message("policy_gradient: batch.samples_per_prompt is ", samples, " but the ", role,
                   " compares the samples of a prompt; use at least ", least_samples_of(part));
  });
}

/// Throws std::invalid_argument where a part cannot do with the options or the steps.
template <bool AdvantageIsByStep, class Parts>
void require_fitting(const Parts& parts, const policy_gradient_options& o, const step_table& steps) {
  require_samples_per_prompt(parts.advantage, o.batch.samples_per_prompt, "advantage");
  require_samples_per_prompt(parts.objective, o.batch.samples_per_prompt, "objective");
  expects(!AdvantageIsByStep || o.store_states_as == state_storage::float32, [&] {
    return message("policy_gradient: store_states_as is ", name_of(o.store_states_as),
                   ", but an advantage of steps is shown the states of all steps at once, as float32; use that");
  });
  if constexpr (needs_duration<decltype(Parts::objective)>)
    for (int k = 0; k < steps.horizon(); ++k)
      expects(!steps.trains(k) || steps.rows[static_cast<std::size_t>(k)].duration > 0, [&] {
        return message("policy_gradient: the objective divides by the duration of a step, but step ", k,
                       " of this sampler has none; use flow_sde_sampler or dance_sde_sampler, or another objective");
      });
}

}  // namespace fewstep::detail

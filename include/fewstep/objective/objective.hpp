// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/sampler/step_table.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace fewstep {

/// What an objective sees of one (sample, step) pair.
struct transition {
  float log_ratio;       ///< log pi_new - log pi_old of the action, reduced over D as asked for; exactly 0 on policy
  float advantage;       ///< of the sample at this step
  const step_row& row;   ///< of the step table: x' ~ N(a x + b o, sigma^2 I), and what else a sampler says of a step
  std::int32_t step;     ///< number of the row
  float divergence = 0;  ///< KL(pi_new, pi_old), exact and reduced alike; only for objectives with needs_old_outputs
};

/// Value and derivatives of an objective at one transition.
struct surrogate {
  float value;                 ///< to be maximised, in units of the advantage
  float slope;                 ///< d value / d log_ratio
  float divergence_slope = 0;  ///< d value / d divergence
};

/// What is maximised per transition. The update maximises its mean over samples and trained steps.
///
/// The compiler cannot check: pure, callable from device code (FEWSTEP_HD), slope is the derivative of value almost
/// everywhere, and not-a-number goes through.
///
/// With `static constexpr bool needs_old_outputs = true` the network outputs of the rollout are stored and transitions
/// say how far the policy has moved (divergence). With `static constexpr bool needs_duration = true` a sampler whose
/// steps have no duration (row.duration) is refused.
///
/// Smallest model:
///   struct plain_ascent {
///     FEWSTEP_HD surrogate operator()(transition t) const { return {t.log_ratio * t.advantage, t.advantage}; }
///   };
template <class O>
concept objective = std::is_trivially_copyable_v<O> && requires(const O o, transition t) {
  { o(t) } -> std::same_as<surrogate>;
};

namespace detail {

/// Whether an objective asks for the rollout's network outputs.
template <class O>
inline constexpr bool needs_old_outputs = [] {
  if constexpr (requires { O::needs_old_outputs; })
    return static_cast<bool>(O::needs_old_outputs);
  else
    return false;
}();

/// Whether an objective asks for the duration of the step.
template <class O>
inline constexpr bool needs_duration = [] {
  if constexpr (requires { O::needs_duration; })
    return static_cast<bool>(O::needs_duration);
  else
    return false;
}();

/// Whether O models objective; where it does not, the compiler says what is missing.
template <class O>
consteval bool require_objective() {
  static_assert(std::is_trivially_copyable_v<O>,
                "fewstep::objective: it must be trivially copyable (numbers only), since kernels take it by value");
  static_assert(
      requires(const O o, transition t) { o(t); },
      "fewstep::objective: surrogate operator()(transition) const is missing");
  if constexpr (requires(const O o, transition t) { o(t); })
    static_assert(
        objective<O> || !std::is_trivially_copyable_v<O>,
        "fewstep::objective: operator()(transition) const must return surrogate{value, slope}, with slope the "
        "derivative of value by log_ratio");
  return objective<O>;
}

}  // namespace detail

}  // namespace fewstep

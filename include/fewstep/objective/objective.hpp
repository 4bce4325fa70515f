// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace fewstep {

/// What an objective sees of one (sample, step) pair.
struct transition {
  float log_ratio;    ///< log pi_new - log pi_old of the action, reduced over D as asked for; exactly 0 on policy
  float advantage;    ///< of the sample
  float sigma, b;     ///< of the step's row: x' ~ N(a x + b o, sigma^2 I)
  std::int32_t step;  ///< row of the step table
};

/// Value and derivative of an objective at one transition.
struct surrogate {
  float value;  ///< to be maximised, in units of the advantage
  float slope;  ///< d value / d log_ratio
};

/// What is maximised per transition. The update maximises its mean over samples and trained steps.
///
/// The compiler cannot check: pure, callable from device code (FEWSTEP_HD), slope is the derivative of value almost
/// everywhere, and not-a-number goes through.
///
/// Smallest model:
///   struct plain_ascent {
///     FEWSTEP_HD surrogate operator()(transition t) const { return {t.log_ratio * t.advantage, t.advantage}; }
///   };
/// Models here: reinforce, clipped_surrogate.
template <class O>
concept objective = std::is_trivially_copyable_v<O> && requires(const O o, transition t) {
  { o(t) } -> std::same_as<surrogate>;
};

}  // namespace fewstep

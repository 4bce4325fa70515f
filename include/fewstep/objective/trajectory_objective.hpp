// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/objective/objective.hpp>

#include <concepts>
#include <span>

namespace fewstep {

/// What is maximised over whole trajectories: a function of the sums over their trained steps of log pi_new - log
/// pi_old, compared within a prompt. o(log_ratios[B], advantages[B], samples_per_prompt, slopes[B]) returns the value,
/// a mean over prompts, and writes B d value / d log_ratios. The samples of a prompt stand together. Runs on the host.
///
/// An optimizer step then ascends slopes . log_ratios / B at the slopes of the parameters that it starts from, which is
/// the gradient of the value.
///
/// The compiler cannot check: the slopes are the derivative of the value, and a call allocates nothing.
///
/// Smallest model:
///   struct plain_ascent {
///     double operator()(std::span<const double> log_ratios, std::span<const float> advantages, int,
///                       std::span<float> slopes) const {
///       std::copy(advantages.begin(), advantages.end(), slopes.begin());
///       return std::inner_product(...) / log_ratios.size();
///     }
///   };
template <class O>
concept trajectory_objective = requires(const O& o, std::span<const double> log_ratios,
                                        std::span<const float> advantages, int samples_per_prompt,
                                        std::span<float> slopes) {
  { o(log_ratios, advantages, samples_per_prompt, slopes) } -> std::same_as<double>;
};

namespace detail {

/// Ascends the log-ratio times a weight that stands in the advantage's place; its value is counted elsewhere.
struct weighted_log_ratio {
  [[nodiscard]] FEWSTEP_HD constexpr surrogate operator()(const transition& t) const { return {0.0f, t.advantage}; }
};

static_assert(objective<weighted_log_ratio>);

/// What is applied to single transitions for an objective of either kind.
template <class O>
struct transition_objective {
  using type = O;
};
template <trajectory_objective O>
struct transition_objective<O> {
  using type = weighted_log_ratio;
};

/// Whether O is an objective over transitions or over trajectories; where it is neither, the compiler says what is
/// missing.
template <class O>
consteval bool require_any_objective() {
  constexpr bool over_trajectories =
      requires(O & o, std::span<const double> log_ratios, std::span<const float> advantages, int samples_per_prompt,
               std::span<float> slopes) {
    o(log_ratios, advantages, samples_per_prompt, slopes);
  };
  if constexpr (over_trajectories) {
    static_assert(trajectory_objective<O>,
                  "fewstep::trajectory_objective: operator()(log_ratios, advantages, samples_per_prompt, slopes) must "
                  "be const and return the value, a double");
    return trajectory_objective<O>;
  } else {
    return require_objective<O>();
  }
}

}  // namespace detail

}  // namespace fewstep

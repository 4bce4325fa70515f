// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/reward/device_reward.hpp>

#include <concepts>
#include <cstddef>
#include <span>

namespace fewstep {

/// One step of all samples, as a reward sees it: an action led from the states x[B, D] to next[B, D], in host memory.
/// Of the last step `next` is the finished sample.
struct rated_step {
  int step = 0;   ///< k
  int steps = 1;  ///< of the trajectory
  matrix<const float> x, next;
};

/// Rates every step of a trajectory: r(step, contexts[B], out[B]), called once for each step, in order. A trainer
/// takes one wherever it takes a reward; a sample's reward is then the sum over its steps. What each action is given
/// for it is the advantage's business (step_advantage).
///
/// The compiler cannot check: out[i] depends on the step and on row i of its arrays and of contexts only.
///
/// Smallest model (the way is to be short):
///   struct effort {
///     template <class Context>
///     void operator()(const rated_step& s, std::span<const Context>, std::span<float> out) const {
///       for (index_t i = 0; i < s.x.rows(); ++i) out[i] = -std::abs(*s.next.row(i) - *s.x.row(i));
///     }
///   };
template <class R, class Context>
concept step_reward = requires(R& r, const rated_step& step, std::span<const Context> contexts, std::span<float> out) {
  { r(step, contexts, out) } -> std::same_as<void>;
};

namespace detail {

/// Whether R models reward, device_reward or step_reward; where it does none, the compiler says what a reward lacks.
template <class R, class Backend, class Context>
consteval bool require_any_reward() {
  if constexpr (step_reward<R, Context>)
    return true;
  else
    return require_reward_on<R, Backend, Context>();
}

}  // namespace detail

/// A reward of steps from a function of one sample's: f(k, x[D], next[D], context) gives what step k earns.
template <class F>
struct per_step {
  F function;

  template <class Context>
  requires requires(F& f, vec<const float> x, const Context& c) {
    { f(0, x, x, c) } -> std::convertible_to<float>;
  }
  void operator()(const rated_step& s, std::span<const Context> contexts, std::span<float> out) {
    const array_extents<1> d{s.x.cols()};
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto r = static_cast<index_t>(i);
      out[i] = function(s.step, vec<const float>{s.x.row(r), d}, vec<const float>{s.next.row(r), d}, contexts[i]);
    }
  }
};
template <class F>
per_step(F) -> per_step<F>;

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>

#include <concepts>
#include <span>

namespace fewstep {

/// The steps of a rollout and what they earned: H steps of B samples, step k of sample r in row k B + r.
template <class Context>
struct earned_steps {
  batch<Context> rows;             ///< [H B], where the backend's operations read
  matrix<const float> rewards;     ///< [H, B], on the host; a reward of samples alone stands in the last row
  std::span<const float> weights;  ///< [H B], on the host: 0 for a sample that is left out, else 1
};

namespace detail {

template <class A, class Backend, class Context>
concept has_weigh = requires(A& a, Backend& backend, const earned_steps<Context>& steps, matrix<float> out) {
  { a.weigh(backend, steps, out) } -> std::same_as<void>;
};
template <class A, class Backend, class Context>
concept has_learn = requires(A& a, Backend& backend, const earned_steps<Context>& steps) {
  { a.learn(backend, steps) } -> std::same_as<void>;
};

}  // namespace detail

/// How the rewards of steps become advantages, one for each action:
///   a.weigh(backend, steps, out)  advantages out[H, B] on the host; may be called again and changes nothing
///   a.learn(backend, steps)       the policy has been trained on these steps: now whatever learns from them may
///
/// The compiler cannot check: what is learnt is serialized by serialize(archive); out does not depend on the number of
/// threads.
///
/// Smallest model (what is still to come, with no baseline):
///   struct reward_to_go {
///     template <class Backend, class Context>
///     void weigh(Backend&, const earned_steps<Context>& s, matrix<float> out) const {
///       for (index_t k = out.rows() - 1; k >= 0; --k)
///         for (index_t r = 0; r < out.cols(); ++r)
///           out(k, r) = s.rewards(k, r) + (k + 1 < out.rows() ? out(k + 1, r) : 0);
///     }
///     template <class Backend, class Context>
///     void learn(Backend&, const earned_steps<Context>&) const {}
///   };
template <class A, class Backend, class Context>
concept step_advantage = detail::has_weigh<A, Backend, Context> && detail::has_learn<A, Backend, Context>;

namespace detail {

/// Whether A models advantage or step_advantage; where it does neither, the compiler says what is missing.
template <class A, class Backend, class Context>
consteval bool require_any_advantage() {
  if constexpr (has_weigh<A, Backend, Context> || has_learn<A, Backend, Context>) {
    static_assert(has_weigh<A, Backend, Context>,
                  "fewstep::step_advantage: void weigh(Backend&, const earned_steps<Context>&, matrix<float> out) is "
                  "missing");
    static_assert(has_learn<A, Backend, Context>,
                  "fewstep::step_advantage: void learn(Backend&, const earned_steps<Context>&) is missing");
    return step_advantage<A, Backend, Context>;
  } else {
    return require_advantage<A>();
  }
}

}  // namespace detail

}  // namespace fewstep

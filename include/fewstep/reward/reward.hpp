// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <concepts>
#include <span>

namespace fewstep {

/// Rates a batch: one number for each decoded sample, given what it was asked for. Higher is better.
///
/// `samples` is [B, D], decoded and in host memory; `contexts` has B elements, row i having been generated for
/// contexts[i]; `out` has B elements and every one of them is written.
///
/// Semantics the compiler cannot check:
///  - out[i] depends on row i and contexts[i] only, not on the batch they come in;
///  - out[i] is finite, or the update that asked for it stops or leaves the sample out (see reward_check);
///  - an unusable sample is reported by an exception that names its index;
///  - the views are not kept after the call.
///
/// Smallest model:
///   struct brightness {
///     template <class Context>
///     void operator()(matrix<const float> samples, std::span<const Context>, std::span<float> out) const {
///       for (std::size_t i = 0; i < out.size(); ++i) out[i] = *samples.row(static_cast<index_t>(i));
///     }
///   };
/// per_sample makes one of a function of one sample, weighted_sum one of several; std::ref of any reward is one.
///
/// Source: the terminal reward r(x_0, c) of Black et al. 2023, "Training Diffusion Models with Reinforcement
/// Learning", section 4, and of Oertell et al. 2024, "RL for Consistency Models", section 4.
template <class R, class Context>
concept reward = requires(R& r, matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) {
  { r(samples, contexts, out) } -> std::same_as<void>;
};

namespace detail {

/// Whether R models reward; where it does not, the compiler says what is missing.
template <class R, class Context>
consteval bool require_reward() {
  constexpr bool fits = reward<R, Context>;
  static_assert(fits,
                "fewstep::reward: void operator()(matrix<const float> samples, std::span<const Context> contexts, "
                "std::span<float> out) is missing; wrap a function of one sample: per_sample(function)");
  return fits;
}

}  // namespace detail

}  // namespace fewstep

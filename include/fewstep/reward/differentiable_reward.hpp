// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/reward/reward.hpp>

#include <concepts>
#include <functional>
#include <span>
#include <type_traits>

namespace fewstep {

namespace detail {

template <class R, class Context>
concept has_value_and_gradient = requires(std::unwrap_reference_t<R>& r, matrix<const float> samples,
                                          std::span<const Context> contexts, std::span<float> out,
                                          matrix<float> gradient) {
  { r.value_and_gradient(samples, contexts, out, gradient) } -> std::same_as<void>;
};

}  // namespace detail

/// A reward that knows its gradient by the sample: value_and_gradient writes the rewards out[B], as the call does, and
/// gradient[B, D], row i being d out[i] / d samples[i]. All arrays lie in host memory.
///
/// Semantics the compiler cannot check:
///  - out has the values of the call, and the gradient is their derivative, exact almost everywhere;
///  - row i of the gradient depends on row i of the samples and contexts[i] only, and every value is written;
///  - what fewstep::reward promises.
///
/// Smallest model:
///   struct brightness {
///     template <class Context>
///     void operator()(matrix<const float> samples, std::span<const Context>, std::span<float> out) const { ... }
///     template <class Context>
///     void value_and_gradient(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out,
///                             matrix<float> gradient) const { ... }
///   };
/// differentiable_per_sample makes one of a function of one sample, weighted_sum one of several; std::ref of any is
/// one.
///
/// Source: the differentiable rewards of Clark et al. 2023, "Directly Fine-Tuning Diffusion Models on Differentiable
/// Rewards" (arXiv:2309.17400).
template <class R, class Context>
concept differentiable_reward = reward<R, Context> && detail::has_value_and_gradient<R, Context>;

namespace detail {

/// Whether R models differentiable_reward; where it does not, the compiler says what is missing.
template <class R, class Context>
consteval bool require_differentiable_reward() {
  constexpr bool is_reward = require_reward<R, Context>();
  static_assert(has_value_and_gradient<R, Context>,
                "fewstep::differentiable_reward: void value_and_gradient(matrix<const float> samples, std::span<const "
                "Context> contexts, std::span<float> out, matrix<float> gradient) is missing; wrap a function of one "
                "sample: differentiable_per_sample(function)");
  return is_reward && differentiable_reward<R, Context>;
}

/// Refuses a gradient that is not of the samples' shape.
inline void expect_reward_gradient(matrix<const float> samples, matrix<const float> gradient) {
  expects(samples.extents == gradient.extents, [&] {
    return message("reward: samples are [", samples.rows(), ", ", samples.cols(), "] but their gradient is [",
                   gradient.rows(), ", ", gradient.cols(), "]; both must have one shape");
  });
}

}  // namespace detail

/// Rewards and their gradient, also of a reward held by std::ref.
template <class Context, differentiable_reward<Context> Reward>
void value_and_gradient(Reward& reward, matrix<const float> samples, std::span<const Context> contexts,
                        std::span<float> out, matrix<float> gradient) {
  std::unwrap_reference_t<Reward>& held = reward;
  held.value_and_gradient(samples, contexts, out, gradient);
}

}  // namespace fewstep

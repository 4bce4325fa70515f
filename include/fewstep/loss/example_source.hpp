// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <span>

namespace fewstep {

/// Where training examples come from: fills x[B,D] and contexts[B] for one step of training, as a function of the step.
template <class S, class Context>
concept example_source = requires(S& source, std::int64_t step, matrix<float> x, std::span<Context> contexts) {
  { source(step, x, contexts) } -> std::same_as<void>;
};

namespace detail {

/// Whether S models example_source; where it does not, the compiler says what is missing.
template <class S, class Context>
consteval bool require_example_source() {
  static_assert(example_source<S, Context>,
                "fewstep::example_source: void operator()(std::int64_t step, matrix<float> x, std::span<Context> "
                "contexts) is missing; it fills a batch of training examples");
  return example_source<S, Context>;
}

}  // namespace detail

}  // namespace fewstep

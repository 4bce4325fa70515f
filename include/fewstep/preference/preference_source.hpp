// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <span>

namespace fewstep {

/// Where labelled pairs come from: fills winners[P,D], losers[P,D] and contexts[P] for one step of training, pair i
/// being two samples for contexts[i] of which winners[i] was preferred.
///
/// Semantics the compiler cannot check:
///  - what is filled in is a function of the step, so that a resumed training sees the same pairs;
///  - every element is written; the views are not kept after the call.
///
/// Smallest model:
///   struct recorded {
///     void operator()(std::int64_t step, matrix<float> winners, matrix<float> losers, std::span<token_list> contexts);
///   };
/// A lambda of this signature is one.
///
/// Source: the database of comparisons of Christiano et al. 2017, arXiv:1706.03741, section 2.2.2.
template <class S, class Context>
concept preference_source = requires(S& source, std::int64_t step, matrix<float> winners, matrix<float> losers,
                                     std::span<Context> contexts) {
  { source(step, winners, losers, contexts) } -> std::same_as<void>;
};

namespace detail {

/// Whether S models preference_source; where it does not, the compiler says what is missing.
template <class S, class Context>
consteval bool require_preference_source() {
  static_assert(preference_source<S, Context>,
                "fewstep::preference_source: void operator()(std::int64_t step, matrix<float> winners, matrix<float> "
                "losers, std::span<Context> contexts) is missing; it fills a batch of labelled pairs");
  return preference_source<S, Context>;
}

}  // namespace detail

}  // namespace fewstep

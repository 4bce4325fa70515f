// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/preference_source.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

namespace fewstep {

/// Where pairs come from whose labels may be ties, or differ between the segments of a sample: fills first[P, D],
/// second[P, D], contexts[P] and labels[P, F] for one update. labels(i, f) is 1 where the first of pair i is the better
/// one in segment f, -1 where the second is, and 0 for a tie.
///
/// A preference_source is one too: its winners are the first.
///
/// Semantics the compiler cannot check:
///  - what is filled in is a function of the update, so that a resumed run sees the same pairs;
///  - every element is written; the views are not kept after the call.
template <class S, class Context>
concept pair_source = preference_source<S, Context> ||
    requires(S& source, std::int64_t update, matrix<float> first, matrix<float> second, std::span<Context> contexts,
             matrix<float> labels) {
  { source(update, first, second, contexts, labels) } -> std::same_as<void>;
};

/// Where samples come from that were judged one by one: fills x[P, D], contexts[P] and labels[P, F], which are 1 for
/// what is good, -1 for what is not, and 0 for neither.
template <class S, class Context>
concept judged_source = requires(S& source, std::int64_t update, matrix<float> x, std::span<Context> contexts,
                                 matrix<float> labels) {
  { source(update, x, contexts, labels) } -> std::same_as<void>;
};

namespace detail {

/// Throws std::invalid_argument, in the name of `who`, unless the label of a segment of unit `number` is one.
inline void expect_label(std::string_view who, float label, index_t segment, std::string_view unit, index_t number) {
  expects(label == 1 || label == -1 || label == 0, [&] {
    return message(who, ": label ", segment, " of ", unit, " ", number, " is ", label,
                   "; it must be 1 (the first is better, or it is good), -1 (the second, or it is not) or 0 (a tie)");
  });
}

/// The pairs of an update; those of a preference_source are labelled 1.
template <class Source, class Context>
void ask_for_pairs(Source& source, std::int64_t update, matrix<float> first, matrix<float> second,
                   std::span<Context> contexts, matrix<float> labels) {
  if constexpr (preference_source<Source, Context>) {
    source(update, first, second, contexts);
    std::fill(labels.begin(), labels.end(), 1.0f);
  } else {
    source(update, first, second, contexts, labels);
  }
}

/// Whether S models pair_source; where it does not, the compiler says what is missing.
template <class S, class Context>
consteval bool require_pair_source() {
  static_assert(pair_source<S, Context>,
                "fewstep::pair_source: void operator()(std::int64_t update, matrix<float> first, matrix<float> second, "
                "std::span<Context> contexts, matrix<float> labels) is missing; it fills a batch of labelled pairs (or "
                "model preference_source)");
  return pair_source<S, Context>;
}
/// The same for pair_source and judged_source.
template <class S, class Context>
consteval bool require_labelled_source() {
  constexpr bool is_one = pair_source<S, Context> || judged_source<S, Context>;
  static_assert(is_one,
                "fewstep::pair_source: void operator()(std::int64_t update, matrix<float> first, matrix<float> second, "
                "std::span<Context> contexts, matrix<float> labels) is missing; it fills a batch of labelled pairs (or "
                "model preference_source or judged_source)");
  return is_one;
}

}  // namespace detail

}  // namespace fewstep

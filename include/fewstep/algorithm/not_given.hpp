// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <type_traits>

namespace fewstep {

/// Stands where a part is not given: the algorithm takes its published one. Reward and optimizer have none.
struct not_given {};

namespace detail {

template <class Part, class Default>
using given_or_t = std::conditional_t<std::same_as<std::remove_const_t<Part>, not_given>, Default, Part>;

/// The part, or the default where it is not given.
template <class Part, class Default>
[[nodiscard]] constexpr given_or_t<Part, Default>& given_or(Part& part, Default& other) {
  if constexpr (std::same_as<std::remove_const_t<Part>, not_given>)
    return other;
  else
    return part;
}

}  // namespace detail

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

namespace fewstep::detail {

/// A part of a trainer, which holds its parts by value: copied from a variable, moved from a temporary or std::move.
/// (With its return type written out, clang would not say where it was called from.)
template <class Part>
[[nodiscard]] auto part_of(std::remove_reference_t<Part>& part) {
  using value_type = std::decay_t<Part>;
  constexpr bool can_be_taken = std::constructible_from<value_type, Part>;
  static_assert(can_be_taken,
                "fewstep: a trainer holds its parts by value, and this one cannot be copied; hand it over with "
                "std::move(part), or share a reward with std::ref(part)");
  if constexpr (can_be_taken)
    return value_type(static_cast<Part&&>(part));
  else
    return value_type(static_cast<value_type&&>(const_cast<value_type&>(part)));
}

}  // namespace fewstep::detail

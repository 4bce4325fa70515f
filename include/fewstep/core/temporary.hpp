// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

namespace fewstep::detail {

/// The body of members that would give a view of memory that their object owns, of an object that ends with the
/// statement: the compiler says so, and how to do it, to whoever calls one.
///
///   std::span<const float> rewards() const& { return rewards_; }
///   template <class Never = void>
///   std::span<const float> rewards() const&& {
///     return detail::view_of_temporary<trainer, Never>();
///   }
template <class Owner, class Never>
struct view_of_temporary {
  static_assert(!std::is_void_v<Never>,
                "fewstep: this is a view of an object that ends with the statement; give the object a name first");
  template <class View>
  operator View() const {
    return {};
  }
};

}  // namespace fewstep::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/generator.hpp>

#include <concepts>

namespace fewstep {

namespace detail {

template <class G>
concept has_unconditional = has_context_type<G> && requires(const G& g) {
  { g.unconditional() } -> std::same_as<typename G::context_type>;
};

}  // namespace detail

/// A generator that knows a context which asks for nothing: the empty text, no class. For guidance the network is to
/// have been trained under it too, for a share of the rows (Ho and Salimans 2022, arXiv:2207.12598, algorithm 1: 10 to
/// 20 %).
///
/// The compiler cannot check: the context is one that predict takes.
///
/// Smallest model:
///   struct with_a_class_for_all : my_generator {
///     int unconditional() const { return 0; }
///   };
template <class G>
concept guidable = detail::has_unconditional<G>;

namespace detail {

/// Whether G models guidable; where it does not, the compiler says what is missing.
template <class G>
consteval bool require_guidable() {
  if constexpr (has_context_type<G>)
    static_assert(has_unconditional<G>,
                  "fewstep::guidable: context_type unconditional() const is missing; it returns the context that asks "
                  "for nothing, such as an empty text, under which the network was trained for a share of the rows");
  return guidable<G>;
}

}  // namespace detail

}  // namespace fewstep

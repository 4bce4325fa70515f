// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/preference/preference_rows.hpp>
#include <fewstep/preference/segment_map.hpp>

#include <concepts>
#include <cstddef>

namespace fewstep {

namespace detail {

template <class S>
concept has_members = requires {
  { S::members } -> std::convertible_to<int>;
};
template <class S>
concept has_comparisons = requires(const S& s) {
  { s.comparisons() } -> std::same_as<index_t>;
  { s.segments() } -> std::convertible_to<segment_map>;
};
template <class S, class Backend, class Generator>
concept has_comparison_memory = requires(S& s, const S& cs, Backend& backend, Generator& model, index_t rows) {
  { cs.bytes() } -> std::convertible_to<std::size_t>;
  { cs.row_bytes(rows) } -> std::convertible_to<std::size_t>;
  { s.prepare(backend, model, rows) } -> std::same_as<void>;
};
template <class S, class Backend, class Generator>
concept has_comparison_rows = requires(S& s, Backend& backend, Generator& model, index_t first, index_t count) {
  { s.rows(backend, model, first, count) } -> std::same_as<preference_rows<typename Generator::context_type>>;
};

}  // namespace detail

/// What preference_optimization learns from in an update: comparisons of `members` rows each.
///
///   static constexpr int members = 2;      1: samples that were judged one by one
///   index_t comparisons() const            of an update
///   segment_map segments() const           what labels are of
///   void prepare(Backend&, Generator&, index_t rows)     before the first update: so many rows are asked for at once
///   void collect(Backend&, Generator&, experience_key)   the comparisons of an update, a function of the key; or
///   void collect(Backend&, Generator&, experience_key, std::span<const context_type>)   of samples for some of these
///   preference_rows<context_type> rows(Backend&, Generator&, index_t first, index_t count)   valid until the next call
///   std::size_t bytes() const, row_bytes(index_t rows) const    what it holds, and what goes with so many rows
///
/// The compiler cannot check: a row has the same bits whatever rows it is asked for with.
///
/// Models: corrupted_pairs, trajectory_pairs.
template <class S, class Backend, class Generator>
concept comparison_source = detail::has_members<S> && detail::has_comparisons<S> &&
    detail::has_comparison_memory<S, Backend, Generator> && detail::has_comparison_rows<S, Backend, Generator>;

namespace detail {

/// Whether S models comparison_source; where it does not, the compiler says what is missing.
template <class S, class Backend, class Generator>
consteval bool require_comparison_source() {
  if constexpr (!generator<Generator, Backend>) return false;
  static_assert(has_members<S>, "fewstep::comparison_source: static constexpr int members is missing");
  static_assert(has_comparisons<S>,
                "fewstep::comparison_source: index_t comparisons() const or segment_map segments() const is missing");
  if constexpr (generator<Generator, Backend>) {
    static_assert(has_comparison_memory<S, Backend, Generator>,
                  "fewstep::comparison_source: std::size_t bytes() const, std::size_t row_bytes(index_t rows) const or "
                  "void prepare(Backend&, Generator&, index_t rows) is missing");
    static_assert(has_comparison_rows<S, Backend, Generator>,
                  "fewstep::comparison_source: preference_rows<context_type> rows(Backend&, Generator&, index_t first, "
                  "index_t count) is missing");
  }
  return comparison_source<S, Backend, Generator>;
}

}  // namespace detail

}  // namespace fewstep

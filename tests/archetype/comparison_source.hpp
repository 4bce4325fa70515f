// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/preference/comparison_source.hpp>

#include <cstddef>
#include <type_traits>

/// The smallest model of fewstep::comparison_source, and models that lack one requirement each.
namespace comparison_source_archetype {

using fewstep::index_t;

enum class drop { nothing, members, comparisons, segments, bytes, row_bytes, prepare, rows, rows_result };

template <bool Declared>
struct of_members {};
template <>
struct of_members<true> {
  static constexpr int members = 2;
};

template <drop D = drop::nothing>
struct archetype : of_members<D != drop::members> {
  archetype() = delete;

  index_t comparisons() const requires(D != drop::comparisons);
  fewstep::segment_map segments() const requires(D != drop::segments);
  std::size_t bytes() const requires(D != drop::bytes);
  std::size_t row_bytes(index_t) const requires(D != drop::row_bytes);
  template <class Backend, class Generator>
  void prepare(Backend&, Generator&, index_t) requires(D != drop::prepare);
  template <class Backend, class Generator>
  std::conditional_t<D == drop::rows_result, int, fewstep::preference_rows<typename Generator::context_type>> rows(
      Backend&, Generator&, index_t, index_t) requires(D != drop::rows);
};

}  // namespace comparison_source_archetype

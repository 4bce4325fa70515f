// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

namespace fewstep {

/// What the rows of a batch are conditioned on, one copy for all rows that share it: row r has values[which[r]], or
/// values[r] where `which` is null, or *unconditional where which[r] is negative. It does not own. A context may be
/// large (the states of a text encoder, a map), and the rows of a sample at all its steps have the same.
template <class Context>
struct context_rows {
  const Context* values = nullptr;
  const std::int32_t* which = nullptr;  ///< [count], or null
  index_t count = 0;
  const Context* unconditional = nullptr;  ///< the generator's context that asks for nothing, if any row has it

  context_rows() = default;
  FEWSTEP_HD constexpr context_rows(const Context* of, const std::int32_t* of_row, index_t rows,
                                    const Context* of_none = nullptr)
      : values(of), which(of_row), count(rows), unconditional(of_none) {}
  /// One for each row.
  template <class T>
  requires std::same_as<const T, const Context> FEWSTEP_HD constexpr context_rows(
      const tensor_view<T, 1>& all)  // NOLINT: implicit as for std::span
      : values(all.data), count(all.size()) {}
  FEWSTEP_HD constexpr context_rows(const Context* first, array_extents<1> rows) : values(first), count(rows[0]) {}
  template <class All>
  requires std::convertible_to<const All&, std::span<const Context>>
  constexpr context_rows(const All& all)  // NOLINT
      : context_rows(as_vec(std::span<const Context>(all))) {}

  [[nodiscard]] FEWSTEP_HD constexpr index_t size() const { return count; }
  [[nodiscard]] FEWSTEP_HD constexpr const Context& operator[](index_t r) const {
    if (which == nullptr) return values[r];
    return which[r] < 0 ? *unconditional : values[which[r]];
  }
  /// Rows [first, first + rows).
  [[nodiscard]] FEWSTEP_HD constexpr context_rows subview(index_t first, index_t rows) const {
    return which == nullptr ? context_rows{values + first, nullptr, rows}
                            : context_rows{values, which + first, rows, unconditional};
  }
};

namespace detail {

/// to[r] = contexts[r], for operations that want them side by side.
template <class Context>
struct gather_contexts {
  context_rows<Context> contexts;
  Context* to;
  FEWSTEP_HD void operator()(index_t r) const { to[r] = contexts[r]; }
};

}  // namespace detail

}  // namespace fewstep

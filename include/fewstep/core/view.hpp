// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace fewstep {

/// Signed index and extent type of every array.
using index_t = std::int64_t;

/// Lengths of an array along its axes. (Device code may not call the functions of std::array.)
template <int Rank>
struct array_extents {
  static_assert(Rank >= 1, "array_extents: rank must be at least 1");
  index_t lengths[static_cast<std::size_t>(Rank)]{};

  [[nodiscard]] FEWSTEP_HD constexpr index_t operator[](int axis) const { return lengths[axis]; }
  [[nodiscard]] FEWSTEP_HD constexpr index_t& operator[](int axis) { return lengths[axis]; }
  [[nodiscard]] FEWSTEP_HD constexpr const index_t* begin() const { return lengths; }
  [[nodiscard]] FEWSTEP_HD constexpr const index_t* end() const { return lengths + Rank; }
  friend constexpr bool operator==(const array_extents&, const array_extents&) = default;
};

/// Members that give a view of memory that their object owns are deleted for objects that end with the statement. This
/// is what the deleted ones return, for the compiler to name. (It converts, so that nothing is said beside that.)
struct needs_a_named_object {
  template <class View>
  operator View() const;
};

/// Borrowed, contiguous, row-major array of `Rank` extents. Trivially copyable, so kernels take it by value.
/// It does not own; the tensor it comes from must outlive it.
template <class T, int Rank>
struct tensor_view {
  using value_type = std::remove_const_t<T>;

  T* data = nullptr;
  array_extents<Rank> extents{};

  tensor_view() = default;
  FEWSTEP_HD constexpr tensor_view(T* first, array_extents<Rank> shape) : data(first), extents(shape) {}

  /// A view of mutable elements converts to a view of const ones.
  template <class U>
  requires(std::is_same_v<const U, T> && !std::is_same_v<U, T>) FEWSTEP_HD
      constexpr tensor_view(const tensor_view<U, Rank>& other)  // NOLINT: implicit as for std::span
      : data(other.data), extents(other.extents) {}

  [[nodiscard]] FEWSTEP_HD constexpr index_t size() const {
    index_t n = 1;
    for (int axis = 0; axis < Rank; ++axis) n *= extents[axis];
    return n;
  }
  [[nodiscard]] FEWSTEP_HD constexpr index_t extent(int axis) const { return extents[axis]; }
  [[nodiscard]] FEWSTEP_HD constexpr T* begin() const { return data; }
  [[nodiscard]] FEWSTEP_HD constexpr T* end() const { return data + size(); }

  /// Elements along the leading axis and the number of values in one of them.
  [[nodiscard]] FEWSTEP_HD constexpr index_t rows() const { return extents[0]; }
  [[nodiscard]] FEWSTEP_HD constexpr index_t cols() const requires(Rank == 2) { return extents[1]; }

  /// Start of row r (leading axis).
  [[nodiscard]] FEWSTEP_HD constexpr T* row(index_t r) const {
    index_t stride = 1;
    for (int axis = 1; axis < Rank; ++axis) stride *= extents[axis];
    return data + r * stride;
  }

  [[nodiscard]] FEWSTEP_HD constexpr T& operator[](index_t i) const requires(Rank == 1) { return data[i]; }
  [[nodiscard]] FEWSTEP_HD constexpr T& operator()(index_t r, index_t c) const requires(Rank == 2) {
    return data[r * extents[1] + c];
  }

  /// Rows [first, first + count) along the leading axis.
  [[nodiscard]] FEWSTEP_HD constexpr tensor_view subview(index_t first, index_t count) const {
    auto shape = extents;
    shape[0] = count;
    return {row(first), shape};
  }
};

/// A [rows, columns] array; the library's batches are [B, D].
template <class T>
using matrix = tensor_view<T, 2>;

/// A one-dimensional array.
template <class T>
using vec = tensor_view<T, 1>;

/// Parameter type that takes part in no template argument deduction, so that a view of mutable elements converts to a
/// view of const ones at the call.
template <class View>
using input = std::type_identity_t<View>;

template <class T>
[[nodiscard]] constexpr vec<T> as_vec(std::span<T> values) {
  return {values.data(), {static_cast<index_t>(values.size())}};
}

template <class T>
[[nodiscard]] constexpr std::span<T> as_span(vec<T> view) {
  return {view.data, static_cast<std::size_t>(view.size())};
}

}  // namespace fewstep

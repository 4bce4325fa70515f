// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <cstdint>

/// Function objects that backends map over arrays. All of the library's stand at namespace scope: a type that is
/// private or local to a function cannot be the argument of a CUDA kernel.

/// A kernel of rows may have `index_t columns() const` and operator()(row, column) beside operator()(row): a GPU gives
/// every column to a thread, the CPU calls the row form.

namespace fewstep::detail {

/// a / b for a >= 0, b > 0. A division of 64 bits takes a GPU several times as long as one of 32.
FEWSTEP_HD constexpr index_t quotient(index_t a, index_t b) {
  const auto dividend = static_cast<std::uint64_t>(a), divisor = static_cast<std::uint64_t>(b);
  return (dividend | divisor) >> 32 == 0
             ? static_cast<index_t>(static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b))
             : a / b;
}

/// data[i] = value.
template <class T>
struct fill {
  T* data;
  T value;
  FEWSTEP_HD void operator()(index_t i) const { data[i] = value; }
};

/// to[i] = from[i].
template <class T>
struct copy {
  const T* from;
  T* to;
  FEWSTEP_HD void operator()(index_t i) const { to[i] = from[i]; }
};

/// to[i] = factor from[i].
template <class T>
struct scale {
  const T* from;
  T* to;
  T factor;
  FEWSTEP_HD void operator()(index_t i) const { to[i] = factor * from[i]; }
};

/// data[i] *= factor.
template <class T>
struct scale_by {
  T* data;
  T factor;
  FEWSTEP_HD void operator()(index_t i) const { data[i] *= factor; }
};

/// to[i] += from[i].
template <class T>
struct add_into {
  const T* from;
  T* to;
  FEWSTEP_HD void operator()(index_t i) const { to[i] += from[i]; }
};

/// to[i] = from[rows[i]].
struct gather_rows {
  const index_t* rows;
  matrix<const float> from;
  matrix<float> to;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return to.cols(); }
  FEWSTEP_HD void operator()(index_t i, index_t d) const { to(i, d) = from(rows[i], d); }
  FEWSTEP_HD void operator()(index_t i) const {
    for (index_t d = 0; d < to.cols(); ++d) (*this)(i, d);
  }
};

}  // namespace fewstep::detail

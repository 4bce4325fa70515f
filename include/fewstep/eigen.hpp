// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 warns inside its own AVX-512 intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <type_traits>

namespace fewstep {

namespace detail {

template <class T, int Rows, int Cols, int Order>
using eigen_map =
    std::conditional_t<std::is_const_v<T>, Eigen::Map<const Eigen::Matrix<std::remove_const_t<T>, Rows, Cols, Order>>,
                       Eigen::Map<Eigen::Matrix<std::remove_const_t<T>, Rows, Cols, Order>>>;

}  // namespace detail

/// A view on the CPU as an Eigen map of the same memory, for generators, rewards and decoders written with Eigen. Needs
/// Eigen (3.4 or later), as nothing else does; not part of the umbrella header.
///
/// Mind that Eigen's products choose their kernels by the number of rows, so the bits of a row depend on the batch it
/// is in. A generator that is to give an importance ratio of exactly 1 pads to one constant number of rows, a multiple
/// of 32, in row-major order (the last rows of a column-major block may get another kernel), and defines
/// EIGEN_DONT_PARALLELIZE.
template <class T>
[[nodiscard]] auto as_eigen(matrix<T> view) {
  return detail::eigen_map<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(view.data, view.rows(), view.cols());
}

template <class T>
[[nodiscard]] auto as_eigen(vec<T> view) {
  return detail::eigen_map<T, Eigen::Dynamic, 1, Eigen::ColMajor>(view.data, view.size());
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/nn/pass.hpp>

#include <cmath>

namespace fewstep {

namespace detail {

/// Row n of y = x / norms[n] with norms[n] = sqrt(|x_n|^2 + epsilon).
template <class T>
struct divide_by_norm {
  matrix<const T> x;
  strided_rows<T> y;
  T* norms;
  FEWSTEP_HD void operator()(index_t n) const {
    constexpr T epsilon = T(1e-12);  // the zero vector stays zero
    const T* in = x.row(n);
    T* out = y.data + n * y.stride;
    T squares = epsilon;
    for (index_t j = 0; j < x.cols(); ++j) squares += in[j] * in[j];
    norms[n] = std::sqrt(squares);
    for (index_t j = 0; j < x.cols(); ++j) out[j] = in[j] / norms[n];
  }
};

/// Row n of gx = (gy - y <y, gy>) / norms[n].
template <class T>
struct chain_through_norm {
  strided_rows<const T> y, gy;
  const T* norms;
  matrix<T> gx;
  FEWSTEP_HD void operator()(index_t n) const {
    const T *unit = y.data + n * y.stride, *in = gy.data + n * gy.stride;
    T along = T(0);
    for (index_t j = 0; j < gx.cols(); ++j) along += unit[j] * in[j];
    for (index_t j = 0; j < gx.cols(); ++j) gx(n, j) = (in[j] - unit[j] * along) / norms[n];
  }
};

}  // namespace detail

/// Rows divided by their Euclidean norms: x[N,E] to y, which may be columns of a wider array.
template <class T>
struct unit_rows {
  struct tape {
    strided_rows<const T> y;
    T* norms = nullptr;
  };

  template <class Pass>
  void forward(Pass& p, matrix<const T> x, strided_rows<T> y, tape& kept) const {
    T* norms = p.memory.template allocate<T>(x.rows());
    p.executor.for_each(x.rows(), detail::divide_by_norm<T>{x, y, norms});
    kept = {y, norms};
  }

  /// gx[rows,width], the gradient of x.
  template <class Pass>
  matrix<T> backward(Pass& p, strided_rows<const T> gy, index_t rows, index_t width, const tape& kept) const {
    matrix<T> gx = p.memory.template allocate<T, 2>({rows, width});
    p.executor.for_each(rows, detail::chain_through_norm<T>{kept.y, gy, kept.norms, gx});
    return gx;
  }
};

}  // namespace fewstep

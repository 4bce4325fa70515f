// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/pass.hpp>

namespace fewstep {

namespace detail {

/// y[n, c] = mean of x[n, :, c] over the positions.
template <class T>
struct pool_positions {
  const T* x;
  matrix<T> y;
  index_t positions;
  FEWSTEP_HD void operator()(index_t n) const {
    for (index_t c = 0; c < y.cols(); ++c) (*this)(n, c);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return y.cols(); }
  FEWSTEP_HD void operator()(index_t n, index_t c) const {
    const T* of_channel = x + n * positions * y.cols() + c;
    T sum = T(0);
    for (index_t i = 0; i < positions; ++i) sum += of_channel[i * y.cols()];
    y(n, c) = sum / static_cast<T>(positions);
  }
};

/// gx[n, i, c] = gy[n, c] / positions, for the positions of the whole batch.
template <class T>
struct spread_over_positions {
  matrix<const T> gy;
  T* gx;
  index_t positions;
  FEWSTEP_HD void operator()(index_t position) const {
    for (index_t c = 0; c < gy.cols(); ++c) (*this)(position, c);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return gy.cols(); }
  FEWSTEP_HD void operator()(index_t position, index_t c) const {
    gx[position * gy.cols() + c] = gy(quotient(position, positions), c) / static_cast<T>(positions);
  }
};

}  // namespace detail

/// Mean over the positions of feature maps: x[N,H,W,C] to y[N,C].
template <class T, class Pass>
matrix<T> mean_pool(Pass& p, images<const T> x) {
  matrix<T> y = p.memory.template allocate<T, 2>({x.extent(0), x.extent(3)});
  p.executor.for_each(x.extent(0), detail::pool_positions<T>{x.data, y, x.extent(1) * x.extent(2)});
  return y;
}

/// Gradient of mean_pool: gy[N,C] to gx of the extents of x.
template <class T, class Pass>
images<T> mean_pool_backward(Pass& p, matrix<const T> gy, array_extents<4> of_x) {
  images<T> gx = p.memory.template allocate<T, 4>(of_x);
  const index_t positions = of_x[1] * of_x[2];
  p.executor.for_each(of_x[0] * positions, detail::spread_over_positions<T>{gy, gx.data, positions});
  return gx;
}

}  // namespace fewstep

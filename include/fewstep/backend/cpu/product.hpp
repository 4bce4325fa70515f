// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/backend/cpu/tile.hpp>

#include <algorithm>
#include <cstddef>

/// Matrix products of the CPU backend. See tile.hpp for the order of summation.

namespace fewstep {
namespace detail {

/// The last columns of b[K, ldb], fewer than a packet, padded with zeros to [K, lanes].
template <class T>
const T* padded_columns(cpu_executor& executor, index_t k, index_t first, index_t n, const T* b, index_t ldb) {
  T* out = executor.template scratch<T>(cpu_executor::columns, k * lanes<T>);
  for (index_t p = 0; p < k; ++p) {
    for (index_t j = 0; j < lanes<T>; ++j) out[p * lanes<T> + j] = j < n ? b[p * ldb + first + j] : T(0);
  }
  return out;
}

/// The padded_columns of b[M, ldb] that make no whole packet of its n; null where none are left.
template <class T>
const T* padded_tail(cpu_executor& executor, index_t m, index_t n, const T* b, index_t ldb) {
  const index_t whole = n / lanes<T> * lanes<T>;
  return n > whole ? padded_columns(executor, m, whole, n - whole, b, ldb) : nullptr;
}

/// A tile whose last packet is only partly wanted: `run` gets a full tile of the current values and it is stored back.
template <class T, int Rows, class Run>
void partial_tile(index_t n, T* c, index_t ldc, const Run& run) {
  constexpr std::size_t rows = Rows;
  T full[rows][lanes<T>] = {};
  for (int i = 0; i < Rows; ++i) std::copy_n(c + i * ldc, n, full[i]);
  run(&full[0][0], lanes<T>);
  for (int i = 0; i < Rows; ++i) std::copy_n(full[i], n, c + i * ldc);
}

/// c[M, N] = start + sum over segments of left * b[segment]; see tile_product. `point_at(i, rows, a)` fills
/// a[segments][rows] with the starts of rows i .. i + rows - 1.
template <class T, class PointAt>
void multiply_segments(cpu_executor& executor, index_t m, index_t n, index_t segments, index_t depth, const T* b,
                       index_t ldb, T* c, index_t ldc, bool accumulate, const T* bias, const PointAt& point_at) {
  const index_t whole = n / lanes<T> * lanes<T>, rest = n - whole;
  const T** a = executor.template scratch<const T*>(cpu_executor::pointers, segments * tile_rows);
  const T* tail = padded_tail(executor, segments * depth, n, b, ldb);
  T tail_bias[lanes<T>] = {};
  if (rest > 0 && bias != nullptr) std::copy_n(bias + whole, rest, tail_bias);
  for_each_row_tile(m, [&](auto rows, index_t i) {
    point_at(i, index_t{rows}, a);
    for_each_column_tile<T>(n, [&](auto packets, index_t j) {
      tile_product<T, rows, packets>(segments, depth, a, b + j, ldb, c + i * ldc + j, ldc, accumulate,
                                     bias == nullptr ? nullptr : bias + j);
    });
    if (rest > 0)
      partial_tile<T, rows>(rest, c + i * ldc + whole, ldc, [&](T* full, index_t stride) {
        tile_product<T, rows, 1>(segments, depth, a, tail, lanes<T>, full, stride, accumulate, tail_bias);
      });
  });
}

/// c[M,N] (+)= a[M,K] b[K,N], leading dimensions lda, ldb, ldc.
template <class T>
void multiply(cpu_executor& executor, index_t m, index_t k, index_t n, const T* a, index_t lda, const T* b, index_t ldb,
              T* c, index_t ldc, bool accumulate, const T* bias = nullptr) {
  multiply_segments(executor, m, n, 1, k, b, ldb, c, ldc, accumulate, bias, [&](index_t i, index_t rows, const T** at) {
    for (index_t r = 0; r < rows; ++r) at[r] = a + (i + r) * lda;
  });
}

/// c[K,N] += a[M,K]^T b[M,N] with row m of a at a_rows[m], rows in order. `tail` is the padded_tail of b.
template <class T>
void multiply_outer(index_t m, index_t k, index_t n, const T* const* a_rows, const T* b, index_t ldb, const T* tail,
                    T* c, index_t ldc) {
  const index_t whole = n / lanes<T> * lanes<T>, rest = n - whole;
  for_each_row_tile(k, [&](auto rows, index_t i) {
    for_each_column_tile<T>(n, [&](auto packets, index_t j) {
      tile_outer<T, rows, packets>(m, a_rows, i, b + j, ldb, c + i * ldc + j, ldc);
    });
    if (rest > 0)
      partial_tile<T, rows>(rest, c + i * ldc + whole, ldc, [&](T* full, index_t stride) {
        tile_outer<T, rows, 1>(m, a_rows, i, tail, lanes<T>, full, stride);
      });
  });
}

template <class T>
void multiply_tn_add(cpu_executor& executor, index_t m, index_t k, index_t n, const T* a, index_t lda, const T* b,
                     index_t ldb, T* c, index_t ldc) {
  const T** rows = executor.template scratch<const T*>(cpu_executor::pointers, m);
  for (index_t r = 0; r < m; ++r) rows[r] = a + r * lda;
  multiply_outer(m, k, n, static_cast<const T* const*>(rows), b, ldb, padded_tail(executor, m, n, b, ldb), c, ldc);
}

/// to[C,R] = from[R,C]^T in blocks that stay in the first-level cache.
template <class T>
void transpose(index_t rows, index_t cols, const T* from, index_t ld, T* to) {
  constexpr index_t block = 16;
  for (index_t r0 = 0; r0 < rows; r0 += block)
    for (index_t c0 = 0; c0 < cols; c0 += block)
      for (index_t r = r0; r < std::min(rows, r0 + block); ++r)
        for (index_t c = c0; c < std::min(cols, c0 + block); ++c) to[c * rows + r] = from[r * ld + c];
}

/// c[M,N] (+)= a[M,K] b[N,K]^T.
template <class T>
void multiply_nt(cpu_executor& executor, index_t m, index_t k, index_t n, const T* a, index_t lda, const T* b,
                 index_t ldb, T* c, index_t ldc, bool accumulate) {
  T* right = executor.template scratch<T>(cpu_executor::transposed, k * n);
  transpose(n, k, b, ldb, right);
  multiply(executor, m, k, n, a, lda, static_cast<const T*>(right), n, c, ldc, accumulate);
}

}  // namespace detail

/// y[M,N] = x[M,K] w[K,N], plus the row `bias` if given; with `accumulate` it is added to y.
template <class T>
void product(cpu_executor& executor, input<matrix<const T>> x, input<matrix<const T>> w, matrix<T> y,
             bool accumulate = false, std::type_identity_t<const T*> bias = nullptr) {
  detail::multiply(executor, x.rows(), x.cols(), w.cols(), x.data, x.cols(), w.data, w.cols(), y.data, y.cols(),
                   accumulate, bias);
}

/// y[M,K] = x[M,N] w[K,N]^T; with `accumulate` it is added to y.
template <class T>
void product_nt(cpu_executor& executor, input<matrix<const T>> x, input<matrix<const T>> w, matrix<T> y,
                bool accumulate = false) {
  detail::multiply_nt(executor, x.rows(), x.cols(), w.rows(), x.data, x.cols(), w.data, w.cols(), y.data, y.cols(),
                      accumulate);
}

/// w[K,N] += x[M,K]^T g[M,N], rows in order.
template <class T>
void product_tn_add(cpu_executor& executor, input<matrix<const T>> x, input<matrix<const T>> g, matrix<T> w) {
  detail::multiply_tn_add(executor, x.rows(), x.cols(), g.cols(), x.data, x.cols(), g.data, g.cols(), w.data, w.cols());
}

/// sums[c] += sum over rows of g[:,c], rows in order.
template <class T>
void add_column_sums(cpu_executor&, input<matrix<const T>> g, vec<T> sums) {
  for (index_t r = 0; r < g.rows(); ++r) {
    const T* row = g.row(r);
    for (index_t c = 0; c < g.cols(); ++c) sums.data[c] += row[c];
  }
}

template <class... Arguments>
void product(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void product_nt(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void product_tn_add(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void add_column_sums(dry_executor&, const Arguments&...) {}

}  // namespace fewstep

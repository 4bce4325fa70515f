// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

/// The innermost kernels of every matrix product and convolution on the CPU: a tile of Rows x Packets accumulators is
/// kept in registers while the depth is walked in order.
///
/// Exactness by construction: each element of the result is one chain of multiply-adds over the depth, in order,
/// whatever tile it falls into. So a row's bits depend on that row and on the right-hand side only: not on the number
/// of rows of the call, the row's position, or the thread.

namespace fewstep::detail {

/// One register of T, as a vector of the compiler's.
template <class T>
using packet [[gnu::vector_size(simd_bytes)]] = T;

template <class T>
inline constexpr index_t lanes = static_cast<index_t>(simd_bytes / sizeof(T));

inline constexpr index_t tile_rows = simd_bytes == 64 ? 8 : 4;  ///< 32 registers allow 8 x 3 sums, 16 allow 4 x 3
inline constexpr index_t tile_packets = 3;

template <int N, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// c[Rows, Packets * lanes] = start + sum over segments s and depth k of a[s][i][k] b[s * depth + k, :].
/// Row i of segment s begins at a[s * Rows + i]: one segment is a plain product, the taps of a kernel are a
/// convolution. `start` is the row `bias` (0 where that is null), plus c itself if `accumulate`.
template <class T, int Rows, int Packets>
FEWSTEP_KERNEL void tile_product(index_t segments, index_t depth, const T* const* a, const T* b, index_t ldb, T* c,
                                 index_t ldc, bool accumulate, const T* bias) {
  constexpr std::size_t rows = Rows, packets = Packets;
  packet<T> sum[rows][packets];
  unrolled<Rows>([&](auto i) {
    unrolled<Packets>([&](auto v) {
      sum[i][v] = packet<T>{};
      if (bias != nullptr) std::memcpy(&sum[i][v], bias + v * lanes<T>, sizeof(packet<T>));
      if (accumulate) {
        packet<T> present;
        std::memcpy(&present, c + i * ldc + v * lanes<T>, sizeof(packet<T>));
        sum[i][v] += present;
      }
    });
  });
  for (index_t s = 0; s < segments; ++s) {
    const T* row[rows];
    unrolled<Rows>([&](auto i) { row[i] = a[s * Rows + i]; });
    for (index_t k = 0; k < depth; ++k, b += ldb) {
      packet<T> right[packets];
      unrolled<Packets>([&](auto v) { std::memcpy(&right[v], b + v * lanes<T>, sizeof(packet<T>)); });
      unrolled<Rows>([&](auto i) {
        const T left = row[i][k];
        unrolled<Packets>([&](auto v) { sum[i][v] += left * right[v]; });
      });
      if constexpr (Rows * Packets == 1) hide_from_optimizer(sum[0][0]);
    }
  }
  unrolled<Rows>([&](auto i) {
    unrolled<Packets>([&](auto v) { std::memcpy(c + i * ldc + v * lanes<T>, &sum[i][v], sizeof(packet<T>)); });
  });
}

/// c[Rows, Packets * lanes] = sum over m of a[m][first + i] b[m, :], the gradient of a weight; with `accumulate` it is
/// added to c. Row m of the left-hand side begins at a[m].
template <class T, int Rows, int Packets>
FEWSTEP_KERNEL void tile_outer(index_t m, const T* const* a, index_t first, const T* b, index_t ldb, T* c, index_t ldc,
                               bool accumulate = true) {
  constexpr std::size_t rows = Rows, packets = Packets;
  packet<T> sum[rows][packets] = {};
  if (accumulate)
    unrolled<Rows>([&](auto i) {
      unrolled<Packets>([&](auto v) { std::memcpy(&sum[i][v], c + i * ldc + v * lanes<T>, sizeof(packet<T>)); });
    });
  for (index_t r = 0; r < m; ++r, b += ldb) {
    const T* row = a[r] + first;
    packet<T> right[packets];
    unrolled<Packets>([&](auto v) { std::memcpy(&right[v], b + v * lanes<T>, sizeof(packet<T>)); });
    unrolled<Rows>([&](auto i) {
      const T left = row[i];
      unrolled<Packets>([&](auto v) { sum[i][v] += left * right[v]; });
    });
    if constexpr (Rows * Packets == 1) hide_from_optimizer(sum[0][0]);
  }
  unrolled<Rows>([&](auto i) {
    unrolled<Packets>([&](auto v) { std::memcpy(c + i * ldc + v * lanes<T>, &sum[i][v], sizeof(packet<T>)); });
  });
}

/// Calls f(Packets, first column) over [0, n) in tiles of 1 to tile_packets whole packets, as equal as can be; what is
/// left (fewer columns than a packet) is the caller's.
template <class T, class F>
void for_each_column_tile(index_t n, const F& f) {
  const index_t packets = n / lanes<T>, tiles = (packets + tile_packets - 1) / tile_packets;
  for (index_t t = 0; t < tiles; ++t) {
    const index_t first = packets * t / tiles, count = packets * (t + 1) / tiles - first;
    if (count == 3)
      f(std::integral_constant<int, 3>{}, first * lanes<T>);
    else if (count == 2)
      f(std::integral_constant<int, 2>{}, first * lanes<T>);
    else
      f(std::integral_constant<int, 1>{}, first * lanes<T>);
  }
}

/// Calls f(Rows, first row) over [0, m) in tiles of tile_rows, then of 4, 2 and 1.
template <class F>
void for_each_row_tile(index_t m, const F& f) {
  index_t i = 0;
  for (; i + tile_rows <= m; i += tile_rows) f(std::integral_constant<int, static_cast<int>(tile_rows)>{}, i);
  if constexpr (tile_rows > 4)
    if (i + 4 <= m) {
      f(std::integral_constant<int, 4>{}, i);
      i += 4;
    }
  if (i + 2 <= m) {
    f(std::integral_constant<int, 2>{}, i);
    i += 2;
  }
  if (i < m) f(std::integral_constant<int, 1>{}, i);
}

}  // namespace fewstep::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/backend/cpu/tile.hpp>
#include <fewstep/backend/operation_shapes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

/// 3x3 convolutions with 2.25 times fewer multiplications: F(2x2, 3x3) of Winograd (1980), as Lavin and Gray (2015,
/// arXiv:1509.09308) apply it. The image is cut into tiles of 2x2 outputs; the 4x4 inputs under a tile and the 3x3
/// filter are both taken to values at 4x4 points, where the convolution is 16 products of matrices [tiles, in][in,
/// out].
///
/// The interpolation points 0, 1, -1 and infinity need no constants but 1/2, so results are as close to the exact ones
/// as those of the direct sum (larger tiles save more and lose digits). A tile's bits depend on the 4x4 inputs under it
/// and on the filter, not on the other tiles of the call.

namespace fewstep::detail {

/// The four one-dimensional maps on arrays of packets, in the notation of Lavin and Gray.
struct winograd_maps {
  /// B^T: four inputs to four points.
  struct input {
    template <class P>
    void operator()(const P* d, P* v) const {
      v[0] = d[0] - d[2];
      v[1] = d[1] + d[2];
      v[2] = d[2] - d[1];
      v[3] = d[1] - d[3];
    }
  };
  /// G: three taps to four points.
  struct filter {
    template <class P>
    void operator()(const P* g, P* u) const {
      const P half = P{} + 0.5f, outer = g[0] + g[2];
      u[0] = g[0];
      u[1] = half * (outer + g[1]);
      u[2] = half * (outer - g[1]);
      u[3] = g[2];
    }
  };
  /// A^T: four points to two outputs.
  struct output {
    template <class P>
    void operator()(const P* m, P* y) const {
      y[0] = m[0] + (m[1] + m[2]);
      y[1] = (m[1] - m[2]) - m[3];
    }
  };
  /// A, which takes the gradient of the outputs to the points.
  struct output_adjoint {
    template <class P>
    void operator()(const P* y, P* m) const {
      m[0] = y[0];
      m[1] = y[0] + y[1];
      m[2] = y[0] - y[1];
      m[3] = -y[1];
    }
  };
  /// G^T, which takes the gradient at the points to the taps.
  struct filter_adjoint {
    template <class P>
    void operator()(const P* u, P* g) const {
      const P half = P{} + 0.5f, even = half * (u[1] + u[2]);
      g[0] = u[0] + even;
      g[1] = half * (u[1] - u[2]);
      g[2] = even + u[3];
    }
  };
};

/// out[Out][Out]: `map`, from In to Out values, along both axes of the square given by load(row, column).
template <class T, int In, int Out, class Map, class Load, class Store>
void map_square(const Map& map, const Load& load, const Store& store) {
  if constexpr (!is_device_pass) {
    constexpr std::size_t in = In, out = Out;
    packet<T> half[in][out];
    unrolled<In>([&](auto row) {
      packet<T> line[in];
      unrolled<In>([&](auto column) { line[column] = load(row, column); });
      map(line, half[row]);
    });
    unrolled<Out>([&](auto column) {
      packet<T> line[in], mapped[out];
      unrolled<In>([&](auto row) { line[row] = half[row][column]; });
      map(line, mapped);
      unrolled<Out>([&](auto row) { store(row, column, mapped[row]); });
    });
  }
}

/// Channels come in whole packets, also of the widest.
inline constexpr index_t winograd_channels = 16;

inline bool winograd_applies(const conv2d_shape& s) {
  return s.kernel == 3 && s.stride == 1 && s.in_channels % winograd_channels == 0 &&
         s.out_channels % winograd_channels == 0;
}

/// Values at the points are kept in 16 planes, one a point, each of [tiles, channels] or [in, out].
template <class T>
struct winograd {
  static constexpr int tile = 2, side = 4, points = side * side;
  /// Tiles transformed at a time; their planes stay in the second-level cache. More for the gradient of the weight,
  /// whose sums are read and written once for all of them.
  static constexpr index_t chunk = 32, weight_chunk = 64;
  /// Planes are this much longer than their content, as multiples of 4 KiB would share few lines of the cache.
  static constexpr index_t gap = 16;

  static constexpr index_t plane(index_t rows, index_t cols) { return rows * cols + gap; }
  static constexpr index_t filter_size(index_t in, index_t out) { return points * plane(in, out); }

  /// Planes [in, out], in panels of the columns that a tile of the product takes, of weight[3,3,in,out], turned by 180
  /// degrees if `turned`: the gradient with respect to the input is a convolution with the turned and transposed one.
  FEWSTEP_KERNEL static void transform_filter(index_t in, index_t out, const T* weight, T* planes, bool turned) {
    for_each_column_tile<T>(out, [&](auto packets, index_t j) {
      constexpr index_t width = packets * lanes<T>;
      for (index_t i = 0; i < in; ++i)
        for (index_t v = 0; v < width; v += lanes<T>)
          map_square<T, 3, side>(
              winograd_maps::filter{},
              [&](index_t y, index_t x) {
                const index_t tap = turned ? 8 - (y * 3 + x) : y * 3 + x;
                return load(weight + (tap * in + i) * out + j + v);
              },
              [&](index_t y, index_t x, const packet<T>& value) {
                store(planes + (y * side + x) * plane(in, out) + j * in + i * width + v, value);
              });
    });
  }

  /// y = convolution of x with the filter of `planes`, plus the row `bias` and the array `added` where not null.
  static void convolve(cpu_executor& executor, const conv2d_shape& s, const T* x, const T* planes, const T* bias,
                       const T* added, T* y) {
    const index_t in = s.in_channels, out = s.out_channels, tiles = s.samples * tiles_of(s);
    const T* zeros = executor.template scratch<T>(cpu_executor::zeros, in);
    T* left = executor.template scratch<T>(cpu_executor::work, points * (plane(chunk, in) + plane(chunk, out)));
    T* product = left + points * plane(chunk, in);
    for (index_t first = 0; first < tiles; first += chunk) {
      const index_t count = std::min(chunk, tiles - first);
      for (index_t t = 0; t < count; ++t) transform_input(s, x, zeros, first + t, left + t * in, plane(count, in));
      for (index_t point = 0; point < points; ++point)
        multiply_panels(count, in, out, left + point * plane(count, in), planes + point * plane(in, out),
                        product + point * plane(count, out));
      for (index_t t = 0; t < count; ++t)
        transform_output(s, product + t * out, plane(count, out), bias, added, first + t, y);
    }
  }

  /// gradient[3,3,in,out] += gradient of the weight for upstream gradient gy, tiles in order.
  static void add_weight_gradient(cpu_executor& executor, const conv2d_shape& s, const T* x, const T* gy, T* gradient) {
    const index_t in = s.in_channels, out = s.out_channels, tiles = s.samples * tiles_of(s);
    if (tiles == 0) return;  // nothing has written the sums
    const T* zeros = executor.template scratch<T>(cpu_executor::zeros, std::max(in, out));
    T* left = executor.template scratch<T>(
        cpu_executor::work, points * (plane(weight_chunk, in) + plane(weight_chunk, out) + plane(in, out)));
    T* upstream = left + points * plane(weight_chunk, in);
    T* sums = upstream + points * plane(weight_chunk, out);
    for (index_t first = 0; first < tiles; first += weight_chunk) {
      const index_t count = std::min(weight_chunk, tiles - first);
      for (index_t t = 0; t < count; ++t) {
        transform_input(s, x, zeros, first + t, left + t * in, plane(count, in));
        transform_upstream(s, gy, zeros, first + t, upstream + t * out, plane(count, out));
      }
      for (index_t point = 0; point < points; ++point)
        add_outer(count, in, out, left + point * plane(count, in), upstream + point * plane(count, out),
                  sums + point * plane(in, out), first > 0);
    }
    add_filter_gradient(in, out, sums, gradient);
  }

 private:
  static packet<T> load(const T* from) {
    packet<T> value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static void store(T* to, const packet<T>& value) { std::memcpy(to, &value, sizeof value); }

  static index_t tiles_across(const conv2d_shape& s) { return (s.width + tile - 1) / tile; }
  static index_t tiles_of(const conv2d_shape& s) { return (s.height + tile - 1) / tile * tiles_across(s); }

  /// at[y][x]: the pixels of a square of Side x Side that begins `border` above and left of the tile, `outside` beyond
  /// the image.
  template <std::size_t Side, class U>
  static void point_at(const conv2d_shape& s, index_t channels, U* images, U* outside, index_t which, index_t border,
                       U* (&at)[Side][Side]) {
    const index_t across = tiles_across(s), in_image = which % tiles_of(s);
    const index_t top = in_image / across * tile - border, first = in_image % across * tile - border;
    U* image = images + which / tiles_of(s) * s.height * s.width * channels;
    for (index_t y = 0; y < static_cast<index_t>(Side); ++y)
      for (index_t x = 0; x < static_cast<index_t>(Side); ++x) {
        const bool inside = top + y >= 0 && top + y < s.height && first + x >= 0 && first + x < s.width;
        at[y][x] = inside ? image + ((top + y) * s.width + first + x) * channels : outside;
      }
  }

  FEWSTEP_KERNEL static void transform_input(const conv2d_shape& s, const T* images, const T* zeros, index_t which,
                                             T* planes, index_t stride) {
    const T* at[side][side];
    point_at(s, s.in_channels, images, zeros, which, 1, at);
    for (index_t c = 0; c < s.in_channels; c += lanes<T>)
      map_square<T, side, side>(
          winograd_maps::input{}, [&](index_t y, index_t x) { return load(at[y][x] + c); },
          [&](index_t y, index_t x, const packet<T>& value) { store(planes + (y * side + x) * stride + c, value); });
  }

  FEWSTEP_KERNEL static void transform_upstream(const conv2d_shape& s, const T* gradients, const T* zeros,
                                                index_t which, T* planes, index_t stride) {
    const T* at[tile][tile];
    point_at(s, s.out_channels, gradients, zeros, which, 0, at);
    for (index_t c = 0; c < s.out_channels; c += lanes<T>)
      map_square<T, tile, side>(
          winograd_maps::output_adjoint{}, [&](index_t y, index_t x) { return load(at[y][x] + c); },
          [&](index_t y, index_t x, const packet<T>& value) { store(planes + (y * side + x) * stride + c, value); });
  }

  FEWSTEP_KERNEL static void transform_output(const conv2d_shape& s, const T* planes, index_t stride, const T* bias,
                                              const T* added, index_t which, T* images) {
    T* at[tile][tile];
    point_at(s, s.out_channels, images, static_cast<T*>(nullptr), which, 0, at);
    for (index_t c = 0; c < s.out_channels; c += lanes<T>) {
      const packet<T> start = bias == nullptr ? packet<T>{} : load(bias + c);
      map_square<T, side, tile>(
          winograd_maps::output{}, [&](index_t y, index_t x) { return load(planes + (y * side + x) * stride + c); },
          [&](index_t y, index_t x, const packet<T>& value) {
            if (at[y][x] == nullptr) return;
            const packet<T> result = value + start;
            store(at[y][x] + c, added == nullptr ? result : load(added + (at[y][x] - images) + c) + result);
          });
    }
  }

  FEWSTEP_KERNEL static void add_filter_gradient(index_t in, index_t out, const T* planes, T* gradient) {
    for (index_t i = 0; i < in; ++i)
      for (index_t j = 0; j < out; j += lanes<T>)
        map_square<T, side, 3>(
            winograd_maps::filter_adjoint{},
            [&](index_t y, index_t x) { return load(planes + (y * side + x) * plane(in, out) + i * out + j); },
            [&](index_t y, index_t x, const packet<T>& value) {
              T* to = gradient + ((y * 3 + x) * in + i) * out + j;
              store(to, load(to) + value);
            });
  }

  /// c[m, out] = a[m, in] b[in, out], b in panels.
  static void multiply_panels(index_t m, index_t in, index_t out, const T* a, const T* b, T* c) {
    for_each_column_tile<T>(out, [&](auto packets, index_t j) {
      for_each_row_tile(m, [&](auto rows, index_t i) {
        const T* at[rows];
        for (index_t r = 0; r < rows; ++r) at[r] = a + (i + r) * in;
        tile_product<T, rows, packets>(1, in, at, b + j * in, packets * lanes<T>, c + i * out + j, out, false, nullptr);
      });
    });
  }

  /// c[in, out] = a[m, in]^T b[m, out], m <= weight_chunk; with `accumulate` it is added to c.
  static void add_outer(index_t m, index_t in, index_t out, const T* a, const T* b, T* c, bool accumulate) {
    const T* at[weight_chunk];
    for (index_t r = 0; r < m; ++r) at[r] = a + r * in;
    for_each_row_tile(in, [&](auto rows, index_t i) {
      for_each_column_tile<T>(out, [&](auto packets, index_t j) {
        tile_outer<T, rows, packets>(m, at, i, b + j, out, c + i * out + j, out, accumulate);
      });
    });
  }
};

}  // namespace fewstep::detail

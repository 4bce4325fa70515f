// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/arena.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/pass.hpp>

namespace fewstep {

/// Re-arrangements of channels-last images. Each is its own adjoint's partner, so there is nothing to keep.
namespace detail {

/// Moves between [N, H r, W r, C] and [N, H, W, C r^2]; deep channel = colour r^2 + dy r + dx, as PyTorch's.
template <class T>
struct pixel_rearrange {
  const T* from;
  T* to;
  index_t height, width, channels, factor;  ///< of the deep side: H, W, and C of the shallow side
  bool to_deep;

  FEWSTEP_HD void operator()(index_t pixel) const {
    const index_t x = pixel % width, y = pixel / width % height, n = pixel / (width * height);
    for (index_t dy = 0; dy < factor; ++dy)
      for (index_t dx = 0; dx < factor; ++dx)
        for (index_t c = 0; c < channels; ++c) {
          const index_t deep = pixel * channels * factor * factor + (c * factor + dy) * factor + dx;
          const index_t shallow = (((n * height + y) * factor + dy) * width * factor + x * factor + dx) * channels + c;
          if (to_deep)
            to[deep] = from[shallow];
          else
            to[shallow] = from[deep];
        }
  }

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return channels * factor * factor; }
  /// Neighbouring columns are written next to each other, in whichever direction.
  FEWSTEP_HD void operator()(index_t pixel, index_t column) const {
    const index_t row = quotient(pixel, width), x = pixel - row * width;  // row of the whole batch
    const index_t outer = quotient(column, to_deep ? factor : channels);
    const index_t inner = column - outer * (to_deep ? factor : channels);
    const index_t middle = quotient(outer, factor), other = outer - middle * factor;
    const index_t c = to_deep ? middle : inner, dy = to_deep ? other : middle, dx = to_deep ? inner : other;
    const index_t deep = pixel * columns() + (c * factor + dy) * factor + dx;
    const index_t shallow = ((row * factor + dy) * width * factor + x * factor + dx) * channels + c;
    if (to_deep)
      to[deep] = from[shallow];
    else
      to[shallow] = from[deep];
  }
};

template <class T>
struct repeat_pixels {
  const T* from;
  T* to;
  index_t height, width, channels;  ///< of the small side
  FEWSTEP_HD void operator()(index_t pixel) const {
    const index_t x = pixel % width, y = pixel / width % height, n = pixel / (width * height);
    for (index_t dy = 0; dy < 2; ++dy)
      for (index_t dx = 0; dx < 2; ++dx) {
        T* out = to + (((n * height + y) * 2 + dy) * width * 2 + x * 2 + dx) * channels;
        for (index_t c = 0; c < channels; ++c) out[c] = from[pixel * channels + c];
      }
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return channels; }
  FEWSTEP_HD void operator()(index_t pixel, index_t c) const {
    const index_t row = quotient(pixel, width), x = pixel - row * width;
    T* top = to + (row * 2 * width * 2 + x * 2) * channels + c;
    T* bottom = top + width * 2 * channels;
    const T value = from[pixel * channels + c];
    top[0] = value;
    top[channels] = value;
    bottom[0] = value;
    bottom[channels] = value;
  }
};

template <class T>
struct sum_pixels {
  const T* from;
  T* to;
  index_t height, width, channels;
  FEWSTEP_HD void operator()(index_t pixel) const {
    const index_t x = pixel % width, y = pixel / width % height, n = pixel / (width * height);
    const T* top = from + (((n * height + y) * 2) * width * 2 + x * 2) * channels;
    const T* bottom = top + width * 2 * channels;
    for (index_t c = 0; c < channels; ++c)
      to[pixel * channels + c] = (top[c] + top[channels + c]) + (bottom[c] + bottom[channels + c]);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return channels; }
  FEWSTEP_HD void operator()(index_t pixel, index_t c) const {
    const index_t row = quotient(pixel, width), x = pixel - row * width;
    const T* top = from + (row * 2 * width * 2 + x * 2) * channels + c;
    const T* bottom = top + width * 2 * channels;
    to[pixel * channels + c] = (top[0] + top[channels]) + (bottom[0] + bottom[channels]);
  }
};

template <class T>
struct copy_channels {
  const T* from;
  T* to;
  index_t from_first, from_stride, to_first, to_stride, channels;
  FEWSTEP_HD void operator()(index_t pixel) const {
    for (index_t c = 0; c < channels; ++c) (*this)(pixel, c);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return channels; }
  FEWSTEP_HD void operator()(index_t pixel, index_t c) const {
    to[pixel * to_stride + to_first + c] = from[pixel * from_stride + from_first + c];
  }
};

}  // namespace detail

/// x[N, H r, W r, C] to y[N, H, W, C r^2].
template <class T, class Pass>
images<T> pixel_unshuffle(Pass& p, images<const T> x, index_t factor, arena& result) {
  const index_t n = x.extent(0), h = x.extent(1) / factor, w = x.extent(2) / factor, c = x.extent(3);
  images<T> y = result.template allocate<T, 4>({n, h, w, c * factor * factor});
  p.executor.for_each(n * h * w, detail::pixel_rearrange<T>{x.data, y.data, h, w, c, factor, true});
  return y;
}
template <class T, class Pass>
images<T> pixel_unshuffle(Pass& p, images<const T> x, index_t factor) {
  return pixel_unshuffle<T>(p, x, factor, p.memory);
}

/// x[N, H, W, C r^2] to y[N, H r, W r, C]; also the gradient of pixel_unshuffle.
template <class T, class Pass>
images<T> pixel_shuffle(Pass& p, images<const T> x, index_t factor) {
  const index_t n = x.extent(0), h = x.extent(1), w = x.extent(2), c = x.extent(3) / (factor * factor);
  images<T> y = p.memory.template allocate<T, 4>({n, h * factor, w * factor, c});
  p.executor.for_each(n * h * w, detail::pixel_rearrange<T>{x.data, y.data, h, w, c, factor, false});
  return y;
}

/// Nearest-neighbour up-sampling by 2: x[N,H,W,C] to y[N,2H,2W,C].
template <class T, class Pass>
images<T> upsample_nearest(Pass& p, images<const T> x, arena& result) {
  const index_t n = x.extent(0), h = x.extent(1), w = x.extent(2), c = x.extent(3);
  images<T> y = result.template allocate<T, 4>({n, 2 * h, 2 * w, c});
  p.executor.for_each(n * h * w, detail::repeat_pixels<T>{x.data, y.data, h, w, c});
  return y;
}
template <class T, class Pass>
images<T> upsample_nearest(Pass& p, images<const T> x) {
  return upsample_nearest<T>(p, x, p.memory);
}

/// Gradient of upsample_nearest: gy[N,2H,2W,C] to gx[N,H,W,C].
template <class T, class Pass>
images<T> upsample_nearest_backward(Pass& p, images<const T> gy) {
  const index_t n = gy.extent(0), h = gy.extent(1) / 2, w = gy.extent(2) / 2, c = gy.extent(3);
  images<T> gx = p.memory.template allocate<T, 4>({n, h, w, c});
  p.executor.for_each(n * h * w, detail::sum_pixels<T>{gy.data, gx.data, h, w, c});
  return gx;
}

/// [a, b] along the channels.
template <class T, class Pass>
images<T> concatenate(Pass& p, images<const T> a, images<const T> b) {
  const index_t ca = a.extent(3), cb = b.extent(3), pixels = a.size() / ca;
  images<T> y = p.memory.template allocate<T, 4>({a.extent(0), a.extent(1), a.extent(2), ca + cb});
  p.executor.for_each(pixels, detail::copy_channels<T>{a.data, y.data, 0, ca, 0, ca + cb, ca});
  p.executor.for_each(pixels, detail::copy_channels<T>{b.data, y.data, 0, cb, ca, ca + cb, cb});
  return y;
}

/// Channels [first, first + count) of x; the gradient of concatenate.
template <class T, class Pass>
images<T> channel_slice(Pass& p, images<const T> x, index_t first, index_t count) {
  const index_t c = x.extent(3), pixels = x.size() / c;
  images<T> y = p.memory.template allocate<T, 4>({x.extent(0), x.extent(1), x.extent(2), count});
  p.executor.for_each(pixels, detail::copy_channels<T>{x.data, y.data, first, c, 0, count, count});
  return y;
}

}  // namespace fewstep

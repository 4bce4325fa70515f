// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/backend/cpu/product.hpp>
#include <fewstep/backend/cpu/winograd.hpp>
#include <fewstep/backend/operation_shapes.hpp>

#include <algorithm>
#include <type_traits>

/// Convolutions of the CPU backend, channels last: x[N,H,W,C], y[N,Ho,Wo,Co], weight[kernel,kernel,C,Co].
///
/// 3x3 convolutions of stride 1 between multiples of 16 channels go by Winograd's algorithm (winograd.hpp). All others
/// are products whose left rows are found through pointers, one to the input pixel under each tap (a row of zeros
/// outside the image): no gathered copy of the image exists (indirect convolution, Dukhan 2019).

namespace fewstep {
namespace detail {

/// rows[tap][r]: where the input pixel under each tap of output pixels first .. first + count - 1 begins.
template <class T>
void point_under(const conv2d_shape& s, const T* image, const T* zeros, index_t first, index_t count, const T** rows) {
  for (index_t r = 0; r < count; ++r) {
    const index_t top = (first + r) / s.out_width() * s.stride - s.padding();
    const index_t left = (first + r) % s.out_width() * s.stride - s.padding();
    for (index_t ky = 0; ky < s.kernel; ++ky)
      for (index_t kx = 0; kx < s.kernel; ++kx) {
        const index_t y = top + ky, x = left + kx;
        const bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
        rows[(ky * s.kernel + kx) * count + r] = inside ? image + (y * s.width + x) * s.in_channels : zeros;
      }
  }
}

/// rows[tap][r]: where the upstream gradient of the output pixel begins that sees input pixel first + r through the
/// tap, of a stride of 1.
template <class T>
void point_over(const conv2d_shape& s, const T* upstream, const T* zeros, index_t first, index_t count,
                const T** rows) {
  for (index_t r = 0; r < count; ++r) {
    const index_t bottom = (first + r) / s.width + s.padding(), right = (first + r) % s.width + s.padding();
    for (index_t ky = 0; ky < s.kernel; ++ky)
      for (index_t kx = 0; kx < s.kernel; ++kx) {
        const index_t y = bottom - ky, x = right - kx;
        const bool seen = y >= 0 && x >= 0 && y < s.out_height() && x < s.out_width();
        rows[(ky * s.kernel + kx) * count + r] = seen ? upstream + (y * s.out_width() + x) * s.out_channels : zeros;
      }
  }
}

/// Overwrites the gradient of a picture under a stride. Every stride-th pixel of a row, of every stride-th row, is seen
/// through the same taps, and through no others.
template <class T>
void strided_backward_input(cpu_executor& executor, const conv2d_shape& s, const T* upstream, const T* zeros,
                            const T* weight_transposed, T* gx) {
  const index_t c = s.in_channels, co = s.out_channels;
  for (index_t y = 0; y < s.height; ++y)
    for (index_t left = 0; left < std::min(s.stride, s.width); ++left) {
      const index_t count = (s.width - left + s.stride - 1) / s.stride;
      T* to = gx + (y * s.width + left) * c;
      bool accumulate = false;
      for (index_t ky = (y + s.padding()) % s.stride; ky < s.kernel; ky += s.stride)
        for (index_t kx = (left + s.padding()) % s.stride; kx < s.kernel; kx += s.stride) {
          const index_t bottom = y + s.padding() - ky, down = bottom / s.stride,
                        right = (left + s.padding()) / s.stride - kx / s.stride;
          const T* line = bottom >= 0 && down < s.out_height() ? upstream + down * s.out_width() * co : nullptr;
          const auto point_at = [&](index_t first, index_t pixels, const T** rows) {
            for (index_t r = 0; r < pixels; ++r) {
              const index_t x = right + first + r;
              rows[r] = line != nullptr && x >= 0 && x < s.out_width() ? line + x * co : zeros;
            }
          };
          multiply_segments(executor, count, c, 1, co, weight_transposed + (ky * s.kernel + kx) * co * c, c, to,
                            s.stride * c, accumulate, static_cast<const T*>(nullptr), point_at);
          accumulate = true;
        }
      for (index_t r = 0; r < count && !accumulate; ++r) std::fill_n(to + r * s.stride * c, c, T(0));
    }
}

/// The filter as its convolution wants it: `prepared`, or made on the spot where that is null.
template <class T>
const T* winograd_filter(cpu_executor& executor, index_t in, index_t out, const T* weight, const T* prepared,
                         bool turned) {
  if (prepared != nullptr) return prepared;
  T* planes = executor.template scratch<T>(cpu_executor::filters, winograd<T>::filter_size(in, out));
  winograd<T>::transform_filter(in, out, weight, planes, turned);
  return planes;
}

}  // namespace detail

/// What conv2d_forward takes as `prepared`, from weight[3,3,in,out], or conv2d_backward_input if `turned`, from
/// weight_transposed[3,3,out,in]. It pays off where one filter serves many calls. Other shapes need no preparation.
template <class T>
void prepare_filter(cpu_executor&, const conv2d_shape& s, const T* weight, T* prepared, bool turned) {
  constexpr index_t least = detail::winograd_channels;  // the gap between planes weighs most there
  static_assert(least % detail::lanes<T> == 0);
  static_assert(detail::winograd<T>::filter_size(least, least) <= prepared_filter_factor * 9 * least * least);
  if (!detail::winograd_applies(s)) return;
  const index_t from = turned ? s.out_channels : s.in_channels, to = turned ? s.in_channels : s.out_channels;
  detail::winograd<T>::transform_filter(from, to, weight, prepared, turned);
}

/// y = conv(x, weight) + bias + added. `prepared` (see prepare_filter) and `added` (y's extents, may be y) may be null;
/// x does not overlap y.
template <class T>
void conv2d_forward(cpu_executor& executor, const conv2d_shape& s, const T* x, const T* weight,
                    std::type_identity_t<const T*> prepared, const T* bias, std::type_identity_t<const T*> added,
                    T* y) {
  const index_t outputs = s.out_height() * s.out_width();
  if (detail::winograd_applies(s)) {
    const T* filter = detail::winograd_filter(executor, s.in_channels, s.out_channels, weight, prepared, false);
    return detail::winograd<T>::convolve(executor, s, x, filter, bias, added, y);
  }
  if (added != nullptr && added != y) std::copy_n(added, s.samples * outputs * s.out_channels, y);
  const T* zeros = executor.template scratch<T>(cpu_executor::zeros, s.in_channels);
  for (index_t n = 0; n < s.samples; ++n) {
    const T* image = x + n * s.height * s.width * s.in_channels;
    detail::multiply_segments(executor, outputs, s.out_channels, s.kernel * s.kernel, s.in_channels, weight,
                              s.out_channels, y + n * outputs * s.out_channels, s.out_channels, added != nullptr, bias,
                              [&](index_t first, index_t count, const T** rows) {
                                detail::point_under(s, image, zeros, first, count, rows);
                              });
  }
}

/// Overwrites gx with the gradient of the convolution with respect to its input, for upstream gradient gy;
/// weight_transposed is [kernel,kernel,Co,C]; `prepared` (see prepare_filter) may be null.
template <class T>
void conv2d_backward_input(cpu_executor& executor, const conv2d_shape& s, const T* gy, const T* weight_transposed,
                           std::type_identity_t<const T*> prepared, T* gx) {
  const index_t outputs = s.out_height() * s.out_width(), inputs = s.height * s.width, c = s.in_channels;
  if (detail::winograd_applies(s)) {
    const T* filter = detail::winograd_filter(executor, s.out_channels, c, weight_transposed, prepared, true);
    const conv2d_shape turned{s.samples, s.height, s.width, s.out_channels, c};
    return detail::winograd<T>::convolve(executor, turned, gy, filter, nullptr, nullptr, gx);
  }
  const T* zeros = executor.template scratch<T>(cpu_executor::zeros, s.out_channels);
  for (index_t n = 0; n < s.samples; ++n) {
    const T* upstream = gy + n * outputs * s.out_channels;
    T* to = gx + n * inputs * c;
    if (s.stride > 1) {
      detail::strided_backward_input(executor, s, upstream, zeros, weight_transposed, to);
      continue;
    }
    detail::multiply_segments(executor, inputs, c, s.kernel * s.kernel, s.out_channels, weight_transposed, c, to, c,
                              false, static_cast<const T*>(nullptr), [&](index_t first, index_t count, const T** rows) {
                                detail::point_over(s, upstream, zeros, first, count, rows);
                              });
  }
}

/// weight_gradient and bias_gradient += gradients of the convolution, samples and pixels in order.
template <class T>
void conv2d_backward_weight(cpu_executor& executor, const conv2d_shape& s, const T* x, const T* gy, T* weight_gradient,
                            T* bias_gradient) {
  const index_t outputs = s.out_height() * s.out_width(), taps = s.kernel * s.kernel;
  const index_t c = s.in_channels, co = s.out_channels;
  add_column_sums(executor, matrix<const T>{gy, {s.samples * outputs, co}}, vec<T>{bias_gradient, {co}});
  if (detail::winograd_applies(s)) return detail::winograd<T>::add_weight_gradient(executor, s, x, gy, weight_gradient);
  const T* zeros = executor.template scratch<T>(cpu_executor::zeros, c);
  const T** rows = executor.template scratch<const T*>(cpu_executor::pointers, outputs * taps);
  for (index_t n = 0; n < s.samples; ++n) {
    const T* upstream = gy + n * outputs * co;
    detail::point_under(s, x + n * s.height * s.width * c, zeros, 0, outputs, rows);
    const T* tail = detail::padded_tail(executor, outputs, co, upstream, co);
    for (index_t tap = 0; tap < taps; ++tap)
      detail::multiply_outer(outputs, c, co, rows + tap * outputs, upstream, co, tail, weight_gradient + tap * c * co,
                             co);
  }
}

template <class... Arguments>
void prepare_filter(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void conv2d_forward(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void conv2d_backward_input(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void conv2d_backward_weight(dry_executor&, const Arguments&...) {}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/gathered_conv2d.cuh>
#include <fewstep/cuda/product.cuh>
#include <fewstep/cuda/product_kernel.cuh>

#include <cstdint>
#include <limits>
#include <type_traits>

/// Convolutions on a device, channels last: x[N,H,W,C], y[N,Ho,Wo,Co], weight[kernel,kernel,C,Co].
///
/// A convolution is a product of patches [pixels, taps * channels] with the weight. The array of patches does not
/// exist: the product's operand looks up each of its elements in the image, with zeros outside (implicit GEMM, Chetlur
/// et al. 2014). So a pixel's bits depend on what lies under its filter, and on nothing else in the batch.

namespace fewstep {
namespace detail {

/// Division by a number that is known before the kernel starts: a multiplication and a shift (Granlund and Montgomery
/// 1994). Exact for dividends below 2^31.
class divisor {
 public:
  divisor() = default;
  explicit divisor(index_t by) : by_(by < 1 ? 1 : static_cast<std::uint32_t>(by)) {
    while ((std::uint64_t{1} << shift_) < by_) ++shift_;
    factor_ = static_cast<std::uint32_t>((((std::uint64_t{1} << shift_) - by_) << 32) / by_ + 1);
  }

  /// The quotient; n becomes the remainder.
  FEWSTEP_HD int operator()(int& n) const {
    const auto dividend = static_cast<std::uint32_t>(n);
    const auto high = static_cast<std::uint32_t>((static_cast<std::uint64_t>(dividend) * factor_) >> 32);
    const std::uint32_t quotient = (high + dividend) >> shift_;
    n = static_cast<int>(dividend - quotient * by_);
    return static_cast<int>(quotient);
  }

 private:
  std::uint32_t by_ = 1, factor_ = 1, shift_ = 0;
};

/// What a patch holds: the input under the filter of an output pixel (forward), or the upstream gradient of all output
/// pixels that an input pixel takes part in (backward).
enum class patch_of { output, input };

/// Patches as an operand: element (pixel, tap * channels + channel). Along the depth, lines are pixels; otherwise they
/// are elements of the patch and the depth is the pixels.
template <patch_of Of, bool AlongDepth>
struct patches {
  static constexpr bool along_depth = AlongDepth;

  const float* source;
  int height, width, channels;  ///< of the source
  int stride, padding;
  int lines;
  bool quads;  ///< a multiple of four channels from a boundary of 16 bytes on
  divisor by_pixels, by_width, by_channels, by_kernel, by_stride;

  struct pixel {
    int picture, y, x;
  };
  struct tap {
    int y, x, channel;
    bool exists;
  };
  struct taps {
    int first;
    tap at;
  };
  using place = std::conditional_t<AlongDepth, pixel, taps>;

  [[nodiscard]] FEWSTEP_HD place at(int, int line) const {
    if constexpr (AlongDepth)
      return pixel_at(line, lines);
    else
      return {line, tap_at(line, lines)};
  }

  [[nodiscard]] FEWSTEP_HD float4 load(const place& p, int k, int end) const {
    if constexpr (AlongDepth) {
      if (quads) return quad(address(p, tap_at(k, end)));
      return {value(p, tap_at(k, end)), value(p, tap_at(k + 1, end)), value(p, tap_at(k + 2, end)),
              value(p, tap_at(k + 3, end))};
    } else {
      const pixel under = pixel_at(k, end);
      if (quads) return quad(address(under, p.at));
      return {value(under, p.at), value(under, tap_at(p.first + 1, lines)), value(under, tap_at(p.first + 2, lines)),
              value(under, tap_at(p.first + 3, lines))};
    }
  }

 private:
  [[nodiscard]] FEWSTEP_HD pixel pixel_at(int index, int end) const {
    if (index >= end) return {0, static_cast<int>(-largest_extent), 0};  // above all pictures
    const int picture = by_pixels(index);
    const int row = by_width(index);
    if constexpr (Of == patch_of::output)
      return {picture, row * stride - padding, index * stride - padding};
    else
      return {picture, row + padding, index + padding};
  }
  [[nodiscard]] FEWSTEP_HD tap tap_at(int index, int end) const {
    if (index >= end) return {0, 0, 0, false};
    int column = by_channels(index);
    const int row = by_kernel(column);
    return {row, column, index, true};
  }

  /// Null where there is none.
  [[nodiscard]] FEWSTEP_HD const float* address(const pixel& p, const tap& t) const {
    bool inside = t.exists;
    int y, x;
    if constexpr (Of == patch_of::output) {
      y = p.y + t.y;
      x = p.x + t.x;
      inside = inside && y >= 0 && x >= 0;
    } else {
      y = p.y - t.y;
      x = p.x - t.x;
      inside = inside && y >= 0 && x >= 0;
      if (inside && stride > 1) {
        int between_rows = y, between_columns = x;
        y = by_stride(between_rows);
        x = by_stride(between_columns);
        inside = between_rows == 0 && between_columns == 0;
      }
    }
    inside = inside && y < height && x < width;
    if (!inside) return nullptr;
    return source + static_cast<index_t>(p.picture) * (height * width * channels) +
           ((y * width + x) * channels + t.channel);
  }
  [[nodiscard]] FEWSTEP_HD float value(const pixel& p, const tap& t) const {
    const float* from = address(p, t);
    return from == nullptr ? 0.0f : *from;
  }
  [[nodiscard]] FEWSTEP_HD static float4 quad(const float* from) {
    return from == nullptr ? float4{0, 0, 0, 0} : *reinterpret_cast<const float4*>(from);
  }
};

[[nodiscard]] inline index_t taps_of(const conv2d_shape& s) { return s.kernel * s.kernel; }
[[nodiscard]] inline index_t inputs_of(const conv2d_shape& s) { return s.height * s.width; }
[[nodiscard]] inline index_t outputs_of(const conv2d_shape& s) { return s.out_height() * s.out_width(); }

/// A convolution that is a plain product of its pixels with the weight.
[[nodiscard]] inline bool pointwise(const conv2d_shape& s) { return s.kernel == 1 && s.stride == 1; }

inline void check(const conv2d_shape& s) {
  constexpr index_t most = std::numeric_limits<std::int32_t>::max();
  expects(inputs_of(s) * s.in_channels <= most && outputs_of(s) * s.out_channels <= most, [&] {
    return message("CUDA convolution: a picture has ", s.height, " x ", s.width, " pixels of ", s.in_channels, " to ",
                   s.out_channels, " channels; its kernels take pictures of up to ", most, " values");
  });
  (void)kernel_extent(s.samples * inputs_of(s), "the number of pixels");
}

template <patch_of Of, bool AlongDepth>
[[nodiscard]] patches<Of, AlongDepth> patches_in(const conv2d_shape& s, const float* source) {
  constexpr bool of_output = Of == patch_of::output;
  const index_t height = of_output ? s.height : s.out_height(), width = of_output ? s.width : s.out_width();
  const index_t channels = of_output ? s.in_channels : s.out_channels;
  const index_t pixels = of_output ? outputs_of(s) : inputs_of(s);
  return {.source = source,
          .height = static_cast<int>(height),
          .width = static_cast<int>(width),
          .channels = static_cast<int>(channels),
          .stride = static_cast<int>(s.stride),
          .padding = static_cast<int>(s.padding()),
          .lines = kernel_extent(AlongDepth ? s.samples * pixels : taps_of(s) * channels, "an extent of the patches"),
          .quads = channels % 4 == 0 && aligned_to_quads(source),
          .by_pixels = divisor(pixels),
          .by_width = divisor(of_output ? s.out_width() : s.width),
          .by_channels = divisor(channels),
          .by_kernel = divisor(s.kernel),
          .by_stride = divisor(s.stride)};
}

}  // namespace detail

/// Filters need no preparation on a device.
template <class Device>
void prepare_filter(device_executor<Device>&, const conv2d_shape&, const float*, float*, bool) {}

/// y = conv(x, weight) + bias + added. `added` (y's extents, may be y) may be null; x does not overlap y.
template <class Device>
void conv2d_forward(device_executor<Device>& executor, const conv2d_shape& s, const float* x, const float* weight,
                    const float*, const float* bias, const float* added, float* y) {
  const index_t rows = s.samples * detail::outputs_of(s), depth = detail::taps_of(s) * s.in_channels;
  if (rows == 0 || s.out_channels == 0) return;
  if (detail::gathers(executor, depth, s.out_channels))
    return detail::conv2d_forward_gathered(executor, s, x, weight, bias, added, y);
  if (detail::pointwise(s) && (added == nullptr || added == y))
    return detail::multiply(executor, {.m = rows,
                                       .k = depth,
                                       .n = s.out_channels,
                                       .a = x,
                                       .lda = depth,
                                       .b = weight,
                                       .ldb = s.out_channels,
                                       .c = y,
                                       .ldc = s.out_channels,
                                       .accumulate = added != nullptr,
                                       .bias = bias});
  detail::check(s);
  detail::run_product(executor, detail::patches_in<detail::patch_of::output, true>(s, x),
                      detail::operand_of<false>(weight, s.out_channels, s.out_channels),
                      detail::result_in(y, s.out_channels, rows, s.out_channels, added, bias),
                      detail::undivided(detail::kernel_extent(depth, "the depth")));
}

/// Overwrites gx with the gradient of the convolution with respect to its input, for upstream gradient gy;
/// weight_transposed is [kernel,kernel,Co,C].
template <class Device>
void conv2d_backward_input(device_executor<Device>& executor, const conv2d_shape& s, const float* gy,
                           const float* weight_transposed, const float*, float* gx) {
  const index_t rows = s.samples * detail::inputs_of(s), c = s.in_channels;
  const index_t depth = detail::taps_of(s) * s.out_channels;
  if (rows == 0 || c == 0) return;
  if (detail::gathers(executor, depth, c))
    return detail::conv2d_backward_input_gathered(executor, s, gy, weight_transposed, gx);
  if (detail::pointwise(s))
    return detail::multiply(
        executor,
        {.m = rows, .k = depth, .n = c, .a = gy, .lda = depth, .b = weight_transposed, .ldb = c, .c = gx, .ldc = c});
  detail::check(s);
  detail::run_product(executor, detail::patches_in<detail::patch_of::input, true>(s, gy),
                      detail::operand_of<false>(weight_transposed, c, c),
                      detail::result_in(gx, c, rows, c, nullptr, nullptr),
                      detail::undivided(detail::kernel_extent(depth, "the depth")));
}

/// weight_gradient and bias_gradient += gradients of the convolution, in chunks of whole pictures, or of equal parts of
/// one, that the shape of the layer decides, in order.
template <class Device>
void conv2d_backward_weight(device_executor<Device>& executor, const conv2d_shape& s, const float* x, const float* gy,
                            float* weight_gradient, float* bias_gradient) {
  const index_t pixels = s.samples * detail::outputs_of(s), rows = detail::taps_of(s) * s.in_channels;
  const index_t co = s.out_channels;
  if (pixels == 0 || co == 0) return;
  if (detail::gathers(executor, rows, co))
    return detail::conv2d_backward_weight_gathered(executor, s, x, gy, weight_gradient, bias_gradient);
  detail::check(s);
  const auto chunks = [&](int length) {
    return detail::chunks_of(detail::kernel_extent(pixels, "the number of pixels"), length,
                             static_cast<int>(detail::outputs_of(s)));
  };
  detail::add_column_sums_in(executor, chunks(512), gy, co, bias_gradient);
  if (rows == 0) return;
  detail::add_product_in(executor, chunks(detail::gradient_chunk(rows, co)),
                         detail::patches_in<detail::patch_of::output, false>(s, x),
                         detail::operand_of<false>(gy, co, co), rows, co, weight_gradient);
}

}  // namespace fewstep

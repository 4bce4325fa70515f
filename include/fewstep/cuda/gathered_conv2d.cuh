// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/in_flight.cuh>
#include <fewstep/cuda/product.cuh>
#include <fewstep/cuda/product_kernel.cuh>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <type_traits>

/// Convolutions as products with an array of patches that does exist: the way to a library's products, and so to tensor
/// cores, in compute types other than float32. (In float32 conv2d.cuh looks the patches up within its product.)
///
/// The patches of a batch may not fit, so they are gathered group by group. Groups of pixels have no influence on the
/// rows of a product; where a product sums over pixels, groups are whole pictures, or parts of one that its shape
/// decides.

namespace fewstep::detail {

/// A picture from which patches are taken, and the grid of pixels that have one: the outputs of a convolution, which
/// look at its input, or if `turned` its inputs, which look at the upstream gradient of all outputs they take part in.
struct patch_grid {
  int height, width, channels;  ///< of a picture
  int rows, columns;            ///< of the grid
  int kernel, stride, padding;
  bool turned;

  [[nodiscard]] index_t pixels() const { return static_cast<index_t>(rows) * columns; }
  [[nodiscard]] index_t picture() const { return static_cast<index_t>(height) * width * channels; }
  [[nodiscard]] index_t patch() const { return static_cast<index_t>(kernel) * kernel * channels; }
};

[[nodiscard]] inline patch_grid patches_of_outputs(const conv2d_shape& s) {
  const auto extent = [](index_t n) { return kernel_extent(n, "an extent of a convolution"); };
  return {extent(s.height),       extent(s.width),       extent(s.in_channels),
          extent(s.out_height()), extent(s.out_width()), extent(s.kernel),
          extent(s.stride),       extent(s.padding()),   false};
}
[[nodiscard]] inline patch_grid patches_of_inputs(const conv2d_shape& s) {
  const patch_grid of_outputs = patches_of_outputs(s);
  patch_grid g = of_outputs;
  g.height = of_outputs.rows;
  g.width = of_outputs.columns;
  g.channels = kernel_extent(s.out_channels, "the number of channels");
  g.rows = of_outputs.height;
  g.columns = of_outputs.width;
  g.turned = true;
  return g;
}

/// patches[pixel, tap, channel], zero outside of the picture: a thread has one channel of a pixel, or four if Quads,
/// and all its taps. Kernel is the width of the filter, or 0 for any.
template <int Kernel, bool Quads>
struct gather_patches {
  static constexpr int threads = 256;
  static constexpr int at_once = Kernel > 0 ? Kernel* Kernel : 4;  ///< loads in flight
  using element = std::conditional_t<Quads, float4, float>;

  const float* pictures;
  patch_grid grid;
  int first, count;  ///< pixels, counted on from picture to picture
  float* patches;

  [[nodiscard]] FEWSTEP_HD int units() const { return Quads ? grid.channels / 4 : grid.channels; }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int kernel = Kernel > 0 ? Kernel : grid.kernel, taps = kernel * kernel, across = units();
    const int pixels = grid.rows * grid.columns;
    const int index = static_cast<int>(block.index()) * threads + block.thread();
    const int local = index / across, unit = index - local * across;
    if (local >= count) return;
    const int pixel = first + local, picture = pixel / pixels, place = pixel - picture * pixels;
    const int row = place / grid.columns, column = place - row * grid.columns;
    const element* from = reinterpret_cast<const element*>(pictures) +
                          static_cast<index_t>(picture) * grid.height * grid.width * across + unit;
    element* to = reinterpret_cast<element*>(patches) + static_cast<index_t>(local) * taps * across + unit;
    for (int tap = 0; tap < taps; tap += at_once)
      with_loads_in_flight<at_once>(
          [&](int u) {
            int y = 0, x = 0;
            if (tap + u >= taps || !find(row, column, (tap + u) / kernel, (tap + u) % kernel, y, x)) return element{};
            return from[(static_cast<index_t>(y) * grid.width + x) * across];
          },
          [&](int u, const element& value) {
            if (tap + u < taps) to[static_cast<index_t>(tap + u) * across] = value;
          });
  }

 private:
  /// Where in the picture tap (ky, kx) of a pixel's patch lies, if it does.
  [[nodiscard]] FEWSTEP_HD bool find(int row, int column, int ky, int kx, int& y, int& x) const {
    if (grid.turned) {
      y = row + grid.padding - ky;
      x = column + grid.padding - kx;
      if (y < 0 || x < 0) return false;
      if (grid.stride > 1) {
        if (y % grid.stride != 0 || x % grid.stride != 0) return false;
        y /= grid.stride;
        x /= grid.stride;
      }
    } else {
      y = row * grid.stride - grid.padding + ky;
      x = column * grid.stride - grid.padding + kx;
      if (y < 0 || x < 0) return false;
    }
    return y < grid.height && x < grid.width;
  }
};

/// Gathers the patches of `count` pixels from pixel `first` on, which may reach into the next pictures.
template <class Device>
void gather(device_executor<Device>& executor, const patch_grid& grid, const float* pictures, index_t first,
            index_t count, float* patches) {
  const index_t picture = first / grid.pixels();
  pictures += picture * grid.picture();
  first -= picture * grid.pixels();
  expects((first + count) * std::max(1, grid.channels) <= std::numeric_limits<int>::max() - 256, [&] {
    return message("CUDA convolution: a picture of ", grid.rows, " x ", grid.columns, " pixels and ", grid.channels,
                   " channels is too large for one kernel");
  });
  const auto run = [&](const auto& kernel) {
    executor.launch((count * kernel.units() + kernel.threads - 1) / kernel.threads, kernel);
  };
  const auto of_width = [&]<int Kernel>(std::integral_constant<int, Kernel>) {
    const int from = static_cast<int>(first), n = static_cast<int>(count);
    if (grid.channels % 4 == 0 && aligned_to_quads(pictures) && aligned_to_quads(patches))
      run(gather_patches<Kernel, true>{pictures, grid, from, n, patches});
    else
      run(gather_patches<Kernel, false>{pictures, grid, from, n, patches});
  };
  if (grid.kernel == 3)
    of_width(std::integral_constant<int, 3>{});
  else
    of_width(std::integral_constant<int, 0>{});
}

/// The array of patches takes up to 64 MiB, or what a single patch takes.
inline constexpr index_t gathered_elements = index_t{16} << 20;

/// body(patches, first, count) for groups of the pixels of `samples` pictures, in order: whole pictures, or equal
/// parts of one (but for its last) where a single one has more patches than there is room for.
template <class Device, class Body>
void for_each_gathered(device_executor<Device>& executor, const patch_grid& grid, index_t samples,
                       const float* pictures, const Body& body, index_t room = gathered_elements) {
  const index_t most = std::max<index_t>(1, room / grid.patch()), unit = grid.pixels(), all = samples * unit;
  const index_t step = unit <= most ? most / unit * unit : most, reach = unit <= most ? all : unit;
  float* patches =
      executor.template scratch<float>(device_executor<Device>::columns, std::min(step, all) * grid.patch());
  for (index_t start = 0; start < all; start += reach)
    for (index_t first = start; first < start + reach; first += step) {
      const index_t count = std::min(step, start + reach - first);
      gather(executor, grid, pictures, first, count, patches);
      body(static_cast<const float*>(patches), first, count);
    }
}

/// Whether it pays to gather the patches [pixels, depth] of a convolution: where a library multiplies them with its
/// weight[depth, channels] on tensor cores.
template <class Device>
[[nodiscard]] bool gathers([[maybe_unused]] device_executor<Device>& executor, [[maybe_unused]] index_t depth,
                           [[maybe_unused]] index_t channels) {
  if constexpr (requires { executor.device().library(); })
    return executor.compute() != compute_type::float32 && executor.uses_library({.k = depth, .n = channels});
  else
    return false;
}

[[nodiscard]] inline bool is_product(const conv2d_shape& s) { return s.kernel == 1 && s.stride == 1; }

/// As conv2d_forward, for any compute type.
template <class Device>
void conv2d_forward_gathered(device_executor<Device>& executor, const conv2d_shape& s, const float* x,
                             const float* weight, const float* bias, const float* added, float* y) {
  const patch_grid grid = patches_of_outputs(s);
  const index_t rows = s.samples * grid.pixels(), depth = grid.patch(), out = s.out_channels;
  if (rows == 0 || out == 0 || depth == 0) return;
  if (added != nullptr && added != y)
    executor.device().copy(y, added, static_cast<std::size_t>(rows * out) * sizeof(float), cudaMemcpyDeviceToDevice);
  const auto multiply = [&](const float* patches, index_t first, index_t count) {
    product(executor, matrix<const float>{patches, {count, depth}}, matrix<const float>{weight, {depth, out}},
            matrix<float>{y + first * out, {count, out}}, added != nullptr, bias);
  };
  if (is_product(s)) return multiply(x, 0, rows);
  for_each_gathered(executor, grid, s.samples, x, multiply);
}

/// As conv2d_backward_input, for any compute type.
template <class Device>
void conv2d_backward_input_gathered(device_executor<Device>& executor, const conv2d_shape& s, const float* gy,
                                    const float* weight_transposed, float* gx) {
  const patch_grid grid = patches_of_inputs(s);
  const index_t rows = s.samples * grid.pixels(), depth = grid.patch(), in = s.in_channels;
  if (rows == 0 || in == 0 || depth == 0) return;
  const auto multiply = [&](const float* patches, index_t first, index_t count) {
    product(executor, matrix<const float>{patches, {count, depth}}, matrix<const float>{weight_transposed, {depth, in}},
            matrix<float>{gx + first * in, {count, in}});
  };
  if (is_product(s)) return multiply(gy, 0, rows);
  for_each_gathered(executor, grid, s.samples, gy, multiply);
}

/// As conv2d_backward_weight, for any compute type.
template <class Device>
void conv2d_backward_weight_gathered(device_executor<Device>& executor, const conv2d_shape& s, const float* x,
                                     const float* gy, float* weight_gradient, float* bias_gradient) {
  const patch_grid grid = patches_of_outputs(s);
  const index_t rows = s.samples * grid.pixels(), depth = grid.patch(), out = s.out_channels;
  if (rows == 0 || out == 0) return;
  const int unit = kernel_extent(grid.pixels(), "the number of pixels");
  add_column_sums_in(executor, chunks_of(kernel_extent(rows, "the number of pixels"), 512, unit), gy, out,
                     bias_gradient);
  if (depth == 0) return;
  const auto add = [&](const float* patches, index_t first, index_t count) {
    const auto chunks = chunks_of(static_cast<int>(count), gradient_chunk(depth, out), count < unit ? 1 : unit);
    add_matrix_product_in(executor, chunks, patches, depth, gy + first * out, out, weight_gradient);
  };
  if (is_product(s)) return add(x, 0, rows);
  for_each_gathered(executor, grid, s.samples, x, add);
}

}  // namespace fewstep::detail

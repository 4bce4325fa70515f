// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/group_norm_kernel.cuh>

#include <cmath>
#include <cstddef>
#include <limits>

/// Group and layer normalisation on a device. Group normalisation, the scale-shift conditioning and the activation that
/// follows are one kernel, and so is their backward pass: a block has one sample and a few adjacent groups of channels,
/// and keeps them in shared memory where they fit, so that each value is read once. How the sums are split depends on
/// the shape of one sample only.

namespace fewstep {

namespace detail {

/// to_first[c] (c < split) or to_second[c - split] += partial[0][c] + partial[1][c] + ..., added one after the other,
/// so that a sum over several calls has the bits of one call.
struct add_rows_in_order {
  static constexpr int threads = 256, tile = 64;

  const float* partial;  ///< [rows, columns]
  index_t rows, columns, split;
  float *to_first, *to_second;

  [[nodiscard]] index_t blocks() const { return (columns + warp_size - 1) / warp_size; }
  [[nodiscard]] std::size_t shared_bytes() const { return sizeof(float) * tile * warp_size; }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    float* staged = block.template shared<float>(tile * warp_size);
    const int lane = block.thread() % warp_size, warp = block.thread() / warp_size;
    const index_t column = block.index() * warp_size + lane;
    float* to = column < split ? to_first + column : to_second + (column - split);
    float sum = warp == 0 && column < columns ? *to : 0.0f;
    for (index_t first = 0; first < rows; first += tile) {
      const int count = rows - first < tile ? static_cast<int>(rows - first) : tile;
      for (int r = warp; r < count; r += threads / warp_size)
        if (column < columns) staged[r * warp_size + lane] = partial[(first + r) * columns + column];
      block.sync();
      if (warp == 0 && column < columns)
        for (int r = 0; r < count; ++r) sum += staged[r * warp_size + lane];
      block.sync();
    }
    if (warp == 0 && column < columns) *to = sum;
  }
};

inline void check_group_norm(const group_norm_shape& s) {
  constexpr index_t widest = 4096;  // what its sums take has to fit in shared memory
  expects(s.groups > 0 && s.channels % s.groups == 0 && s.group_width() <= widest && s.positions > 0 &&
              s.positions * s.channels <= std::numeric_limits<std::int32_t>::max(),
          [&] {
            return message("group_norm: a sample has ", s.positions, " positions and ", s.channels, " channels in ",
                           s.groups, " groups; a device takes up to 2^31 - 1 values, in whole groups of up to ", widest,
                           " channels");
          });
}

}  // namespace detail

/// y = act((GN(x) gamma + beta) (1 + scale) + shift); scale_shift[samples, 2*channels] holds scale, then shift, or is
/// null. statistics[samples, groups] is kept for the backward pass. No array overlaps y.
template <class Device>
void group_norm_forward(device_executor<Device>& executor, const group_norm_shape& s, const float* x,
                        const float* gamma, const float* beta, const float* scale_shift,
                        norm_statistics<float>* statistics, float* y) {
  if (s.samples == 0) return;
  detail::check_group_norm(s);
  const index_t width = detail::group_norm_tiling(s, 1, 1).width;
  detail::with_pack_of(width, detail::on_packets(x, y), [&](auto pack, auto packets) {
    const detail::group_norm_tiling t(s, pack, 1);
    executor.launch(s.samples * t.bundles(),
                    detail::group_norm_kernel<pack, packets>{.t = t,
                                                             .gains = {gamma, beta, scale_shift},
                                                             .epsilon = s.epsilon,
                                                             .silu = s.after == activation::silu,
                                                             .x = x,
                                                             .statistics = statistics,
                                                             .y = y});
  });
}

/// Overwrites gx with the gradient with respect to x, plus `added` (x's extents) unless null; adds to gamma_gradient
/// and beta_gradient (skipped when null); overwrites scale_shift_gradient[samples, 2*channels] when scale_shift is
/// given. No array overlaps gx.
template <class Device>
void group_norm_backward(device_executor<Device>& executor, const group_norm_shape& s, const float* x,
                         const float* gamma, const float* beta, const float* scale_shift,
                         const norm_statistics<float>* statistics, const float* gy, const float* added, float* gx,
                         float* gamma_gradient, float* beta_gradient, float* scale_shift_gradient) {
  if (s.samples == 0) return;
  detail::check_group_norm(s);
  using slot = device_executor<Device>;
  float* gradients = gamma_gradient == nullptr
                         ? nullptr
                         : executor.template scratch<float>(slot::partials, s.samples * 2 * s.channels);
  const index_t width = detail::group_norm_tiling(s, 1, 2).width;
  detail::with_pack_of(width, detail::on_packets(x, gy, added, gx), [&](auto pack, auto packets) {
    const detail::group_norm_tiling t(s, pack, 2);
    executor.launch(s.samples * t.bundles(),
                    detail::group_norm_backward_kernel<pack, packets>{.t = t,
                                                                      .gains = {gamma, beta, scale_shift},
                                                                      .silu = s.after == activation::silu,
                                                                      .x = x,
                                                                      .statistics = statistics,
                                                                      .gy = gy,
                                                                      .added = added,
                                                                      .gx = gx,
                                                                      .scale_shift_gradient = scale_shift_gradient,
                                                                      .partial_gradients = gradients});
  });
  if (gradients == nullptr) return;
  const detail::add_rows_in_order sum{gradients, s.samples, 2 * s.channels, s.channels, gamma_gradient, beta_gradient};
  executor.launch(sum.blocks(), sum);
}

namespace detail {

/// Rows of layer normalisation whose gradients of gain and bias are added up first: those of one block.
inline constexpr int layer_norm_rows = 8;

/// A warp has a row.
template <int Pack, bool Packets>
struct layer_norm_kernel {
  static constexpr int threads = layer_norm_rows * warp_size;

  float epsilon;
  index_t rows, columns;
  const float *x, *gamma, *beta;
  norm_statistics<float>* statistics;
  float* y;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int lane = block.thread() % warp_size;
    const index_t row = block.index() * layer_norm_rows + block.thread() / warp_size;
    const bool works = row < rows;
    const float* in = x + row * columns;
    float sum = 0, squares = 0;
    for (index_t j = lane * Pack; works && j < columns; j += warp_size * Pack) {
      const auto value = load_channels<Pack, Packets>(in + j);
      for (int l = 0; l < Pack; ++l) sum += value.v[l];
    }
    const double count = static_cast<double>(columns);
    const float mean = static_cast<float>(block.warp_sum(static_cast<double>(sum)) / count);
    for (index_t j = lane * Pack; works && j < columns; j += warp_size * Pack) {
      const auto value = load_channels<Pack, Packets>(in + j);
      for (int l = 0; l < Pack; ++l) squares = std::fma(value.v[l] - mean, value.v[l] - mean, squares);
    }
    const double variance = block.warp_sum(static_cast<double>(squares)) / count;
    const float rstd = static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(epsilon)));
    if (works && lane == 0) statistics[row] = {mean, rstd};
    for (index_t j = lane * Pack; works && j < columns; j += warp_size * Pack) {
      auto value = load_channels<Pack, Packets>(in + j);
      for (int l = 0; l < Pack; ++l) value.v[l] = std::fma((value.v[l] - mean) * rstd, gamma[j + l], beta[j + l]);
      store_channels<Packets>(value, y + row * columns + j);
    }
  }
};

template <int Pack, bool Packets>
struct layer_norm_backward_kernel {
  static constexpr int threads = layer_norm_rows * warp_size;

  index_t rows, columns;
  const float *x, *gamma;
  const norm_statistics<float>* statistics;
  const float* gy;
  float *gx, *partial_gradients;  ///< [blocks, 2 columns]: of gamma, then of beta; or null

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int lane = block.thread() % warp_size;
    const index_t first = block.index() * layer_norm_rows, row = first + block.thread() / warp_size;
    const bool works = row < rows;
    const float *in = x + row * columns, *upstream = gy + row * columns;
    const norm_statistics<float> s = works ? statistics[row] : norm_statistics<float>{};
    float sum_g = 0, sum_gx = 0;
    for (index_t j = lane * Pack; works && j < columns; j += warp_size * Pack) {
      const auto value = load_channels<Pack, Packets>(in + j);
      const auto g = load_channels<Pack, Packets>(upstream + j);
      for (int l = 0; l < Pack; ++l) {
        const float h = g.v[l] * gamma[j + l];
        sum_g += h;
        sum_gx = std::fma(h, (value.v[l] - s.mean) * s.rstd, sum_gx);
      }
    }
    const double count = static_cast<double>(columns);
    const float mean_g = static_cast<float>(block.warp_sum(static_cast<double>(sum_g)) / count);
    const float mean_gx = static_cast<float>(block.warp_sum(static_cast<double>(sum_gx)) / count);
    for (index_t j = lane * Pack; works && j < columns; j += warp_size * Pack) {
      const auto value = load_channels<Pack, Packets>(in + j);
      auto g = load_channels<Pack, Packets>(upstream + j);
      for (int l = 0; l < Pack; ++l) {
        const float normalised = (value.v[l] - s.mean) * s.rstd;
        g.v[l] = s.rstd * std::fma(-normalised, mean_gx, std::fma(g.v[l], gamma[j + l], -mean_g));
      }
      store_channels<Packets>(g, gx + row * columns + j);
    }
    if (partial_gradients == nullptr) return;
    const index_t last = first + layer_norm_rows < rows ? first + layer_norm_rows : rows;
    for (index_t j = block.thread(); j < columns; j += threads) {
      float gain = 0, bias = 0;
      for (index_t r = first; r < last; ++r) {
        const float g = gy[r * columns + j];
        gain = std::fma(g, (x[r * columns + j] - statistics[r].mean) * statistics[r].rstd, gain);
        bias += g;
      }
      partial_gradients[block.index() * 2 * columns + j] = gain;
      partial_gradients[block.index() * 2 * columns + columns + j] = bias;
    }
  }
};

}  // namespace detail

/// Layer normalisation of every row of x[rows, channels] (Ba et al. 2016): y = (x - mean) rstd gamma + beta.
template <class Device>
void layer_norm_forward(device_executor<Device>& executor, float epsilon, matrix<const float> x, const float* gamma,
                        const float* beta, norm_statistics<float>* statistics, matrix<float> y) {
  detail::with_pack_of(x.cols(), detail::on_packets(x.data, y.data), [&](auto pack, auto packets) {
    executor.launch((x.rows() + detail::layer_norm_rows - 1) / detail::layer_norm_rows,
                    detail::layer_norm_kernel<pack, packets>{.epsilon = epsilon,
                                                             .rows = x.rows(),
                                                             .columns = x.cols(),
                                                             .x = x.data,
                                                             .gamma = gamma,
                                                             .beta = beta,
                                                             .statistics = statistics,
                                                             .y = y.data});
  });
}

/// Overwrites gx; adds to the gradients of gain and bias (skipped when null).
template <class Device>
void layer_norm_backward(device_executor<Device>& executor, matrix<const float> x, const float* gamma,
                         const norm_statistics<float>* statistics, matrix<const float> gy, matrix<float> gx,
                         float* gamma_gradient, float* beta_gradient) {
  if (x.rows() == 0) return;
  using slot = device_executor<Device>;
  const index_t c = x.cols(), blocks = (x.rows() + detail::layer_norm_rows - 1) / detail::layer_norm_rows;
  float* gradients =
      gamma_gradient == nullptr ? nullptr : executor.template scratch<float>(slot::partials, blocks * 2 * c);
  detail::with_pack_of(c, detail::on_packets(x.data, gy.data, gx.data), [&](auto pack, auto packets) {
    executor.launch(blocks, detail::layer_norm_backward_kernel<pack, packets>{.rows = x.rows(),
                                                                              .columns = c,
                                                                              .x = x.data,
                                                                              .gamma = gamma,
                                                                              .statistics = statistics,
                                                                              .gy = gy.data,
                                                                              .gx = gx.data,
                                                                              .partial_gradients = gradients});
  });
  if (gradients == nullptr) return;
  const detail::add_rows_in_order sum{gradients, blocks, 2 * c, c, gamma_gradient, beta_gradient};
  executor.launch(sum.blocks(), sum);
}

}  // namespace fewstep

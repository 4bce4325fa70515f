// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/cuda/group_norm_block.cuh>

#include <cmath>
#include <cstddef>

namespace fewstep::detail {

/// y = act((GN(x) gamma + beta) (1 + scale) + shift) of x[samples, positions, channels], and its statistics.
template <int Pack, bool Packets>
struct group_norm_kernel {
  static constexpr int threads = group_norm_tiling::threads;

  group_norm_tiling t;
  group_norm_gains gains;
  float epsilon;
  bool silu;
  const float* x;
  norm_statistics<float>* statistics;
  float* y;

  [[nodiscard]] std::size_t shared_bytes() const {
    return shared_floats(t.kept) + shared_floats(t.rows * t.width) + 2 * shared_floats(t.bundle);
  }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    float* kept = block.template shared<float>(t.kept);
    float* partial = block.template shared<float>(t.rows * t.width);
    float* mean = block.template shared<float>(t.bundle);
    float* rstd = block.template shared<float>(t.bundle);
    const group_norm_place at(block, t);
    const float* image = x + at.image(t);
    const bool keeps = t.kept != 0;
    const double count = static_cast<double>(t.positions) * t.group_width;
    const auto value_of = [&](int row, int channel) { return partial[row * t.width + channel]; };

    // Sums in float over a thread's pixels, then in double.
    for (int c = at.lane * Pack; at.works && c < t.width; c += t.lanes * Pack) {
      channel_pack<Pack> sum{};
      for_each_pixel<4>(
          t, at.row, [&](int p) { return load_channels<Pack, Packets>(image + p * t.channels + c); },
          [&](int p, const channel_pack<Pack>& value) {
            if (keeps) store_channels<true>(value, kept + p * t.width + c);
            for (int l = 0; l < Pack; ++l) sum.v[l] += value.v[l];
          });
      store_channels<true>(sum, partial + at.row * t.width + c);
    }
    block.sync();
    for_each_group_sum(block, t, t.rows, value_of,
                       [&](int group, double sum) { mean[group] = static_cast<float>(sum / count); });
    block.sync();

    const auto again = [&](int p, int c) {
      return keeps ? load_channels<Pack, true>(kept + p * t.width + c)
                   : load_channels<Pack, Packets>(image + p * t.channels + c);
    };
    for (int c = at.lane * Pack; at.works && c < t.width; c += t.lanes * Pack) {
      channel_pack<Pack> sum{}, of_group;
      for (int l = 0; l < Pack; ++l) of_group.v[l] = mean[(c + l) / t.group_width];
      for_each_pixel<4>(
          t, at.row, [&](int p) { return again(p, c); },
          [&](int, const channel_pack<Pack>& value) {
            for (int l = 0; l < Pack; ++l) {
              const float centred = value.v[l] - of_group.v[l];
              sum.v[l] = std::fma(centred, centred, sum.v[l]);
            }
          });
      store_channels<true>(sum, partial + at.row * t.width + c);
    }
    block.sync();
    for_each_group_sum(block, t, t.rows, value_of, [&](int group, double sum) {
      rstd[group] = static_cast<float>(1.0 / std::sqrt(sum / count + static_cast<double>(epsilon)));
      statistics[at.group(t) + group] = {mean[group], rstd[group]};
    });
    block.sync();

    for (int c = at.lane * Pack; at.works && c < t.width; c += t.lanes * Pack) {
      const affine_pack<Pack> map(gains, t, at, c, mean, rstd);
      for_each_pixel<4>(
          t, at.row, [&](int p) { return again(p, c); },
          [&](int p, channel_pack<Pack> value) {
            for (int l = 0; l < Pack; ++l) value.v[l] = map(value.v[l], l);
            if (silu)
              for (int l = 0; l < Pack; ++l) value.v[l] *= sigmoid(value.v[l]);
            store_channels<Packets>(value, y + at.image(t) + p * t.channels + c);
          });
    }
  }
};

/// gx = slope g - rstd (mean(h) + xhat mean(h xhat)) (+ added) with g the gradient behind the activation,
/// h = (1 + scale) gamma g, and means over the group.
template <int Pack, bool Packets>
struct group_norm_backward_kernel {
  static constexpr int threads = group_norm_tiling::threads;

  group_norm_tiling t;
  group_norm_gains gains;
  bool silu;
  const float* x;
  const norm_statistics<float>* statistics;
  const float *gy, *added;
  float *gx, *scale_shift_gradient;
  float* partial_gradients;  ///< [samples, 2 channels]: of gamma, then of beta; or null

  [[nodiscard]] std::size_t shared_bytes() const {
    return 2 * shared_floats(t.kept) + shared_floats(2 * t.rows * t.width) + shared_floats(2 * 2 * t.parts * t.width) +
           shared_floats(2 * 2 * t.width) + 4 * shared_floats(t.bundle);
  }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    float* kept_x = block.template shared<float>(t.kept);
    float* kept_g = block.template shared<float>(t.kept);
    float* partial = block.template shared<float>(2 * t.rows * t.width);
    double* of_part = block.template shared<double>(2 * t.parts * t.width);
    double* of_channel = block.template shared<double>(2 * t.width);
    float* mean = block.template shared<float>(t.bundle);
    float* rstd = block.template shared<float>(t.bundle);
    float* on_x = block.template shared<float>(t.bundle);
    float* constant = block.template shared<float>(t.bundle);
    const group_norm_place at(block, t);
    const float* image = x + at.image(t);
    float* out = gx + at.image(t);
    const bool keeps = t.kept != 0;
    struct value_and_gradient {
      channel_pack<Pack> value, g;
    };

    for (int g = block.thread(); g < t.bundle; g += threads) {
      const norm_statistics<float> s = statistics[at.group(t) + g];
      mean[g] = s.mean;
      rstd[g] = s.rstd;
    }
    block.sync();

    // Through the activation; sums of the gradient, and of the gradient times the centred input.
    for (int c = at.lane * Pack; at.works && c < t.width; c += t.lanes * Pack) {
      const affine_pack<Pack> map(gains, t, at, c, mean, rstd);
      channel_pack<Pack> sum_g{}, sum_gx{};
      for_each_pixel<2>(
          t, at.row,
          [&](int p) {
            return value_and_gradient{load_channels<Pack, Packets>(image + p * t.channels + c),
                                      load_channels<Pack, Packets>(gy + at.image(t) + p * t.channels + c)};
          },
          [&](int p, value_and_gradient at_pixel) {
            auto& [value, g] = at_pixel;
            if (silu)
              for (int l = 0; l < Pack; ++l) {
                const float z = map(value.v[l], l), gate = sigmoid(z);
                g.v[l] *= gate * std::fma(z, 1.0f - gate, 1.0f);
              }
            for (int l = 0; l < Pack; ++l) {
              sum_g.v[l] += g.v[l];
              sum_gx.v[l] = std::fma(g.v[l], value.v[l] - map.mean[l], sum_gx.v[l]);
            }
            if (keeps) {
              store_channels<true>(value, kept_x + p * t.width + c);
              store_channels<true>(g, kept_g + p * t.width + c);
            } else {
              store_channels<Packets>(g, out + p * t.channels + c);
            }
          });
      store_channels<true>(sum_g, partial + at.row * t.width + c);
      store_channels<true>(sum_gx, partial + (t.rows + at.row) * t.width + c);
    }
    block.sync();
    const int items = t.parts * t.width;
    for (int item = block.thread(); item < 2 * items; item += threads) {
      const int which = item / items, part = (item - which * items) / t.width;
      const int c = item - which * items - part * t.width;
      double sum = 0;
      for (int r = part; r < t.rows; r += t.parts)
        sum += static_cast<double>(partial[(which * t.rows + r) * t.width + c]);
      of_part[item] = sum;
    }
    block.sync();
    for (int c = block.thread(); c < t.width; c += threads) finish_channel(at, c, of_part, rstd, of_channel);
    block.sync();

    const double count = static_cast<double>(t.positions) * t.group_width;
    for_each_group_sum(
        block, t, 1, [&](int, int c) { return of_channel[t.width + c]; },
        [&](int group, double sum) { on_x[group] = static_cast<float>(-sum / count) * rstd[group] * rstd[group]; });
    for_each_group_sum(
        block, t, 1, [&](int, int c) { return of_channel[c]; },
        [&](int group, double sum) {
          constant[group] = std::fma(-on_x[group], mean[group], static_cast<float>(-sum / count) * rstd[group]);
        });
    block.sync();
    for (int c = at.lane * Pack; at.works && c < t.width; c += t.lanes * Pack) {
      const affine_pack<Pack> map(gains, t, at, c, mean, rstd);
      channel_pack<Pack> factor, rest;
      for (int l = 0; l < Pack; ++l) {
        factor.v[l] = on_x[(c + l) / t.group_width];
        rest.v[l] = constant[(c + l) / t.group_width];
      }
      for_each_pixel<2>(
          t, at.row,
          [&](int p) {
            return keeps ? value_and_gradient{load_channels<Pack, true>(kept_x + p * t.width + c),
                                              load_channels<Pack, true>(kept_g + p * t.width + c)}
                         : value_and_gradient{load_channels<Pack, Packets>(image + p * t.channels + c),
                                              load_channels<Pack, Packets>(out + p * t.channels + c)};
          },
          [&](int p, value_and_gradient at_pixel) {
            auto& [value, g] = at_pixel;
            for (int l = 0; l < Pack; ++l)
              g.v[l] = std::fma(g.v[l], map.slope[l], std::fma(value.v[l], factor.v[l], rest.v[l]));
            if (added != nullptr) {
              const auto more = load_channels<Pack, Packets>(added + at.image(t) + p * t.channels + c);
              for (int l = 0; l < Pack; ++l) g.v[l] += more.v[l];
            }
            store_channels<Packets>(g, out + p * t.channels + c);
          });
    }
  }

 private:
  /// The gradients of one channel's gain, bias, scale and shift, and its share of the means of h and h xhat.
  FEWSTEP_HD void finish_channel(const group_norm_place& at, int c, const double* of_part, const float* rstd,
                                 double* of_channel) const {
    double sum_g = 0, sum_gx = 0;
    for (int part = 0; part < t.parts; ++part) {
      sum_g += of_part[part * t.width + c];
      sum_gx += of_part[(t.parts + part) * t.width + c];
    }
    const int channel = at.first + c;
    const index_t in_row = index_t{at.sample} * 2 * t.channels + channel;
    const float g = static_cast<float>(sum_g), g_normalised = static_cast<float>(sum_gx) * rstd[c / t.group_width];
    const float gain = gains.gamma[channel], factor = gains.factor(t, at.sample, channel);
    of_channel[c] = static_cast<double>(factor * gain * g);
    of_channel[t.width + c] = static_cast<double>(factor * gain * g_normalised);
    if (partial_gradients != nullptr) {
      partial_gradients[in_row] = factor * g_normalised;
      partial_gradients[in_row + t.channels] = factor * g;
    }
    if (gains.scale_shift != nullptr) {
      scale_shift_gradient[in_row] = std::fma(gain, g_normalised, gains.beta[channel] * g);
      scale_shift_gradient[in_row + t.channels] = g;
    }
  }
};

}  // namespace fewstep::detail

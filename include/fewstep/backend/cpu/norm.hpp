// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/elementary.hpp>

#include <algorithm>
#include <cmath>
#include <type_traits>

/// Group and layer normalisation of the CPU backend. Group normalisation, the scale-shift conditioning and the
/// activation that follow it are one affine map per (sample, channel) and one activation, so they are one pass:
///   y = act( x * slope[c] + offset[c] ).

namespace fewstep {

namespace detail {

inline constexpr index_t channel_block = 16;

/// Calls f(width, first channel) over [0, channels) in blocks whose width the compiler knows, so that a block's sums
/// stay in registers while the positions are walked in order.
template <class F>
void for_each_channel_block(index_t channels, const F& f) {
  index_t c = 0;
  for (; c + channel_block <= channels; c += channel_block) f(std::integral_constant<index_t, channel_block>{}, c);
  for (; c < channels; ++c) f(std::integral_constant<index_t, 1>{}, c);
}

/// The affine map of one channel: normalisation, gain and bias, then (1 + scale) and shift of the conditioning.
template <class T>
struct channel_affine {
  T slope, offset;
};

template <class T>
channel_affine<T> group_norm_affine(const norm_statistics<T>& s, T gamma, T beta, T scale, T shift) {
  const T gain = (T(1) + scale) * gamma;
  return {s.rstd * gain, (T(1) + scale) * beta + shift - s.mean * s.rstd * gain};
}

/// slope[C] and offset[C] of sample n.
template <class T>
void group_norm_affines(const group_norm_shape& s, index_t n, const T* gamma, const T* beta, const T* scale_shift,
                        const norm_statistics<T>* stats, T* slope, T* offset) {
  const T* row = scale_shift == nullptr ? nullptr : scale_shift + n * 2 * s.channels;
  for (index_t j = 0; j < s.channels; ++j) {
    const auto map = group_norm_affine(stats[j / s.group_width()], gamma[j], beta[j], row == nullptr ? T(0) : row[j],
                                       row == nullptr ? T(0) : row[s.channels + j]);
    slope[j] = map.slope;
    offset[j] = map.offset;
  }
}

/// Mean and reciprocal deviation of each group of one image, in two passes; `sums` is scratch of C elements.
template <class T>
void group_statistics(const group_norm_shape& s, const T* image, T* sums, norm_statistics<T>* stats) {
  const index_t c = s.channels, width = s.group_width();
  const double count = static_cast<double>(s.positions * width);
  const auto group_mean = [&](index_t g) {
    double sum = 0;
    for (index_t j = g * width; j < (g + 1) * width; ++j) sum += static_cast<double>(sums[j]);
    return sum / count;
  };
  for_each_channel_block(c, [&](auto block, index_t j) {
    T sum[block] = {};
    for (index_t i = 0; i < s.positions; ++i)
      for (index_t l = 0; l < block; ++l) sum[l] += image[i * c + j + l];
    std::copy_n(sum, index_t{block}, sums + j);
  });
  for (index_t g = 0; g < s.groups; ++g) stats[g].mean = static_cast<T>(group_mean(g));
  for_each_channel_block(c, [&](auto block, index_t j) {
    T sum[block] = {}, mean[block];
    for (index_t l = 0; l < block; ++l) mean[l] = stats[(j + l) / width].mean;
    for (index_t i = 0; i < s.positions; ++i)
      for (index_t l = 0; l < block; ++l) {
        const T centred = image[i * c + j + l] - mean[l];
        sum[l] += centred * centred;
      }
    std::copy_n(sum, index_t{block}, sums + j);
  });
  for (index_t g = 0; g < s.groups; ++g)
    stats[g].rstd = static_cast<T>(1.0 / std::sqrt(group_mean(g) + static_cast<double>(s.epsilon)));
}

// The channels of one pixel. They lie next to each other, so that an image is streamed through in order, and the arrays
// do not overlap, which lets a compiler keep them in packets.

/// y = act(x slope + offset).
template <bool Silu, class T>
void normalise_pixel(index_t c, const T* __restrict x, const T* __restrict slope, const T* __restrict offset,
                     T* __restrict y) {
  for (index_t j = 0; j < c; ++j) {
    const T value = x[j] * slope[j] + offset[j];
    y[j] = Silu ? value * sigmoid(value) : value;
  }
}

/// g = upstream act'(x slope + offset), which is added to sum_g, and times the centred x to sum_gx.
template <bool Silu, class T>
void backward_through_activation(index_t c, const T* __restrict x, const T* __restrict upstream,
                                 const T* __restrict slope, const T* __restrict offset, const T* __restrict mean,
                                 T* __restrict g, T* __restrict sum_g, T* __restrict sum_gx) {
  for (index_t j = 0; j < c; ++j) {
    T h = upstream[j];
    if constexpr (Silu) {
      const T value = x[j] * slope[j] + offset[j];
      const T gate = sigmoid(value);
      h *= gate * (T(1) + value * (T(1) - gate));
    }
    g[j] = h;
    sum_g[j] += h;
    sum_gx[j] += h * (x[j] - mean[j]);
  }
}

/// g = g slope + x on_x + constant, plus `added` unless null.
template <class T>
void backward_through_statistics(index_t c, const T* __restrict x, const T* __restrict slope, const T* __restrict on_x,
                                 const T* __restrict constant, const T* __restrict added, T* __restrict g) {
  for (index_t j = 0; j < c; ++j) g[j] = g[j] * slope[j] + x[j] * on_x[j] + constant[j];
  if (added != nullptr)
    for (index_t j = 0; j < c; ++j) g[j] += added[j];
}

}  // namespace detail

/// y = act((GN(x) gamma + beta) (1 + scale) + shift); scale_shift[samples, 2*channels] holds scale, then shift, or is
/// null. statistics[samples, groups] is kept for the backward pass. No array overlaps y.
template <class T>
void group_norm_forward(cpu_executor& executor, const group_norm_shape& s, const T* x, const T* gamma, const T* beta,
                        const T* scale_shift, norm_statistics<T>* statistics, T* y) {
  const index_t c = s.channels, p = s.positions;
  T* slope = executor.template scratch<T>(cpu_executor::work, 2 * c);
  T* offset = slope + c;
  for (index_t n = 0; n < s.samples; ++n) {
    const T* image = x + n * p * c;
    T* out = y + n * p * c;
    norm_statistics<T>* stats = statistics + n * s.groups;
    detail::group_statistics(s, image, slope, stats);
    detail::group_norm_affines(s, n, gamma, beta, scale_shift, stats, slope, offset);
    const auto apply = [&](auto with_silu) {
      for (index_t i = 0; i < p; ++i) detail::normalise_pixel<with_silu>(c, image + i * c, slope, offset, out + i * c);
    };
    if (s.after == activation::silu)
      apply(std::true_type{});
    else
      apply(std::false_type{});
  }
}

/// Overwrites gx with the gradient with respect to x, plus `added` (x's extents) unless null; adds to gamma_gradient
/// and beta_gradient (skipped when null); overwrites scale_shift_gradient[samples, 2*channels] when scale_shift is
/// given. No array overlaps gx.
template <class T>
void group_norm_backward(cpu_executor& executor, const group_norm_shape& s, const T* x, const T* gamma, const T* beta,
                         const T* scale_shift, const norm_statistics<T>* statistics, const T* gy,
                         std::type_identity_t<const T*> added, T* gx, T* gamma_gradient, T* beta_gradient,
                         T* scale_shift_gradient) {
  const index_t c = s.channels, p = s.positions, width = s.group_width();
  T* slope = executor.template scratch<T>(cpu_executor::work, 5 * c);
  T *offset = slope + c, *sum_g = slope + 2 * c, *sum_gx = slope + 3 * c, *mean_of = slope + 4 * c;
  for (index_t n = 0; n < s.samples; ++n) {
    const T* image = x + n * p * c;
    const T* upstream = gy + n * p * c;
    const T* residual = added == nullptr ? nullptr : added + n * p * c;
    T* out = gx + n * p * c;
    const norm_statistics<T>* stats = statistics + n * s.groups;
    detail::group_norm_affines(s, n, gamma, beta, scale_shift, stats, slope, offset);
    // Through the activation; sums of the gradient, and of the gradient times the centred input.
    for (index_t j = 0; j < c; ++j) {
      mean_of[j] = stats[j / width].mean;
      sum_g[j] = sum_gx[j] = T(0);
    }
    const auto through_activation = [&](auto with_silu) {
      for (index_t i = 0; i < p; ++i)
        detail::backward_through_activation<with_silu>(c, image + i * c, upstream + i * c, slope, offset, mean_of,
                                                       out + i * c, sum_g, sum_gx);
    };
    if (s.after == activation::silu)
      through_activation(std::true_type{});
    else
      through_activation(std::false_type{});
    // gx = slope g - rstd (mean(h) + xhat mean(h xhat)) with h = (1 + scale) gamma g, means over the group.
    const T* row = scale_shift == nullptr ? nullptr : scale_shift + n * 2 * c;
    const double count = static_cast<double>(p * width);
    for (index_t group = 0; group < s.groups; ++group) {
      const auto [mean, rstd] = stats[group];
      double mean_h = 0, mean_hx = 0;
      for (index_t j = group * width; j < (group + 1) * width; ++j) {
        const T scale = T(1) + (row == nullptr ? T(0) : row[j]);
        const T g = sum_g[j], g_normalised = sum_gx[j] * rstd;
        mean_h += static_cast<double>(scale * gamma[j] * g);
        mean_hx += static_cast<double>(scale * gamma[j] * g_normalised);
        if (gamma_gradient != nullptr) {
          gamma_gradient[j] += scale * g_normalised;
          beta_gradient[j] += scale * g;
        }
        if (row != nullptr) {
          scale_shift_gradient[n * 2 * c + j] = gamma[j] * g_normalised + beta[j] * g;
          scale_shift_gradient[n * 2 * c + c + j] = g;
        }
      }
      const T on_x = static_cast<T>(-mean_hx / count) * rstd * rstd;
      const T constant = static_cast<T>(-mean_h / count) * rstd - on_x * mean;
      for (index_t j = group * width; j < (group + 1) * width; ++j) {
        sum_g[j] = on_x;
        sum_gx[j] = constant;
      }
    }
    for (index_t i = 0; i < p; ++i)
      detail::backward_through_statistics(c, image + i * c, slope, sum_g, sum_gx,
                                          residual == nullptr ? nullptr : residual + i * c, out + i * c);
  }
}

/// Layer normalisation of every row of x[rows, channels] (Ba et al. 2016): y = (x - mean) rstd gamma + beta.
template <class T>
void layer_norm_forward(cpu_executor&, float epsilon, input<matrix<const T>> x, const T* gamma, const T* beta,
                        norm_statistics<T>* statistics, matrix<T> y) {
  const index_t c = x.cols();
  for (index_t r = 0; r < x.rows(); ++r) {
    const T* in = x.row(r);
    T* out = y.row(r);
    double sum = 0, squares = 0;
    for (index_t j = 0; j < c; ++j) sum += static_cast<double>(in[j]);
    const double mean = sum / static_cast<double>(c);
    for (index_t j = 0; j < c; ++j) {
      const double centred = static_cast<double>(in[j]) - mean;
      squares += centred * centred;
    }
    statistics[r] = {static_cast<T>(mean),
                     static_cast<T>(1.0 / std::sqrt(squares / static_cast<double>(c) + static_cast<double>(epsilon)))};
    for (index_t j = 0; j < c; ++j) out[j] = (in[j] - statistics[r].mean) * statistics[r].rstd * gamma[j] + beta[j];
  }
}

/// Overwrites gx; adds to the gradients of gain and bias (skipped when null).
template <class T>
void layer_norm_backward(cpu_executor&, input<matrix<const T>> x, const T* gamma, const norm_statistics<T>* statistics,
                         input<matrix<const T>> gy, matrix<T> gx, T* gamma_gradient, T* beta_gradient) {
  const index_t c = x.cols();
  for (index_t r = 0; r < x.rows(); ++r) {
    const T *in = x.row(r), *g = gy.row(r);
    T* out = gx.row(r);
    const auto [mean, rstd] = statistics[r];
    double mean_g = 0, mean_gx = 0;
    for (index_t j = 0; j < c; ++j) {
      const T normalised = (in[j] - mean) * rstd;
      mean_g += static_cast<double>(g[j] * gamma[j]);
      mean_gx += static_cast<double>(g[j] * gamma[j] * normalised);
      if (gamma_gradient != nullptr) {
        gamma_gradient[j] += g[j] * normalised;
        beta_gradient[j] += g[j];
      }
    }
    mean_g /= static_cast<double>(c);
    mean_gx /= static_cast<double>(c);
    for (index_t j = 0; j < c; ++j)
      out[j] = rstd * (g[j] * gamma[j] - static_cast<T>(mean_g) - (in[j] - mean) * rstd * static_cast<T>(mean_gx));
  }
}

template <class... Arguments>
void group_norm_forward(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void group_norm_backward(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void layer_norm_forward(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void layer_norm_backward(dry_executor&, const Arguments&...) {}

}  // namespace fewstep

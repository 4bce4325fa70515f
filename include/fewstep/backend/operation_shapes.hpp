// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <type_traits>

namespace fewstep {

/// Square-kernel convolution with padding kernel/2: x[samples,height,width,in_channels] to
/// y[samples,out_height,out_width,out_channels], channels last.
struct conv2d_shape {
  index_t samples = 1, height = 0, width = 0, in_channels = 0, out_channels = 0, kernel = 3, stride = 1;

  [[nodiscard]] FEWSTEP_HD constexpr index_t padding() const { return kernel / 2; }
  [[nodiscard]] FEWSTEP_HD constexpr index_t out_height() const {
    return (height + 2 * padding() - kernel) / stride + 1;
  }
  [[nodiscard]] FEWSTEP_HD constexpr index_t out_width() const { return (width + 2 * padding() - kernel) / stride + 1; }
};

/// A backend may prepare a filter in as much memory as this many times its weight (prepare_filter).
inline constexpr index_t prepared_filter_factor = 2;

enum class activation { identity, silu };

/// Group normalisation over x[samples,positions,channels]: mean and variance per sample and group of
/// channels/groups adjacent channels, over all positions (Wu and He 2018).
struct group_norm_shape {
  index_t samples = 1, positions = 0, channels = 0, groups = 1;
  activation after = activation::identity;
  float epsilon = 1e-5f;

  [[nodiscard]] FEWSTEP_HD constexpr index_t group_width() const { return channels / groups; }
};

/// Mean and reciprocal standard deviation of one (sample, group), or of one row.
template <class T>
struct norm_statistics {
  T mean, rstd;
};

/// Scaled dot-product attention: q[samples,queries,heads*width], k, v[samples,keys,heads*width].
struct attention_shape {
  index_t samples = 1, queries = 0, keys = 0, heads = 1, width = 0;

  [[nodiscard]] FEWSTEP_HD constexpr index_t channels() const { return heads * width; }
};

/// Rows of one operand of attention: row i starts at data + i * stride. Queries, keys and values may thus share one
/// array [positions, 3 * channels].
template <class T>
struct strided_rows {
  T* data = nullptr;
  index_t stride = 0;

  template <class U>
  requires(std::is_same_v<U, const T> && !std::is_same_v<U, T>)  // NOLINTNEXTLINE: implicit, as a pointer to const
  operator strided_rows<U>() const {
    return {data, stride};
  }
};

}  // namespace fewstep

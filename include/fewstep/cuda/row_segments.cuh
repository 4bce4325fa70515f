// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/block.cuh>
#include <fewstep/mdp/score.hpp>

#include <cmath>
#include <limits>

/// How the rows of a rollout and of its replay are shared out over threads and added up. A row of D values is cut into
/// segments, and a segment is shared out, in a way that D alone decides: not the number of rows, not how many blocks
/// work on a row, not whether addresses allow packets. The rollout and the replay add up through the same functions,
/// with fused operations written out, so a transition that is scored with the parameters it was drawn with has the very
/// log-probability of its draw.

namespace fewstep::detail {

/// Values of a segment that one thread holds, as packets of four.
inline constexpr int packets_of_thread = 4, values_of_thread = 4 * packets_of_thread;

/// Threads that share a segment: one, a warp or a block; only blocks take several segments.
[[nodiscard]] FEWSTEP_HD constexpr int lanes_of(index_t dimension) {
  constexpr int block = 256;
  return dimension <= values_of_thread ? 1 : dimension <= warp_size * values_of_thread ? warp_size : block;
}
inline constexpr int segment_of_block = 256 * values_of_thread;

[[nodiscard]] constexpr index_t segments_of(index_t dimension) {
  return (dimension + segment_of_block - 1) / segment_of_block;
}

/// values[i .. i + 4) of a row, 0 from n on; `Packets`: the row begins on a packet, and n is a multiple of four.
template <bool Packets>
[[nodiscard]] FEWSTEP_HD inline float_packet load_values(const float* values, int i, int n) {
  float_packet four{};
  if constexpr (Packets) {
    if (i < n) four = load_packet(values + i);
  } else {
    for (int k = 0; k < 4; ++k)
      if (i + k < n) four[k] = values[i + k];
  }
  return four;
}
template <bool Packets>
FEWSTEP_HD inline void store_values(float* values, int i, int n, const float_packet& four) {
  if constexpr (Packets) {
    if (i < n) store_packet(values + i, four);
  } else {
    for (int k = 0; k < 4; ++k)
      if (i + k < n) values[i + k] = four[k];
  }
}

/// Whether coordinate d is one of `count` from `first` on.
[[nodiscard]] FEWSTEP_HD inline bool is_scored(int d, int first, int count) {
  return static_cast<unsigned>(d - first) < static_cast<unsigned>(count);
}

/// x' - a x - b o, rounded alike wherever it is computed.
[[nodiscard]] FEWSTEP_HD inline float residual_of(float next, float x, float o, float a, float b) {
  return std::fma(-b, o, std::fma(-a, x, next));
}

[[nodiscard]] FEWSTEP_HD inline double log_probability_of(double squares, index_t dimension, float sigma,
                                                          reduction over) {
  const log_density density = log_density_of(squares, dimension, sigma, over);
  return std::fma(-density.count, density.height, density.exponent);
}

/// Sum over the threads that share a segment, the same bits in each.
template <int Lanes, class Block>
[[nodiscard]] FEWSTEP_HD double sum_of_lanes(Block& block, double value) {
  if constexpr (Lanes == 1)
    return value;
  else if constexpr (Lanes == warp_size)
    return block.warp_sum(value);
  else
    return block.sum(value);
}

/// sum + the squares of four values, one after the other.
[[nodiscard]] FEWSTEP_HD inline float add_squares(float sum, const float_packet& four) {
  for (int k = 0; k < 4; ++k) sum = std::fma(four[k], four[k], sum);
  return sum;
}

/// sum + difference (2 residual + b difference) of four values, which a log-ratio is made of (gaussian_log_ratio).
[[nodiscard]] FEWSTEP_HD inline float add_log_ratio(float sum, const float_packet& residual,
                                                    const float_packet& difference, float b) {
  for (int k = 0; k < 4; ++k) sum = std::fma(difference[k], std::fma(b, difference[k], 2.0f * residual[k]), sum);
  return sum;
}

/// What a thread holds of a segment: residuals, and o - other for each of `Others` outputs that o is compared with.
template <int Others>
struct held_values {
  float_packet residual[packets_of_thread];
  float_packet difference[Others > 0 ? Others : 1][packets_of_thread];

  /// Sums of squares over the thread's values.
  [[nodiscard]] FEWSTEP_HD float squares() const { return squares_of(residual); }
  [[nodiscard]] FEWSTEP_HD float squares(int other) const { return squares_of(difference[other]); }

 private:
  [[nodiscard]] FEWSTEP_HD static float squares_of(const float_packet (&values)[packets_of_thread]) {
    float sum = 0;
    for (int p = 0; p < packets_of_thread; ++p) sum = add_squares(sum, values[p]);
    return sum;
  }
};

/// Adds up what the segments of a row gave, in order.
[[nodiscard]] FEWSTEP_HD inline double sum_of_segments(const double* sums, int segments) {
  double sum = sums[0];
  for (int s = 1; s < segments; ++s) sum += sums[s];
  return sum;
}

inline void check_dimension(const char* operation, index_t dimension) {
  constexpr index_t most = std::numeric_limits<std::int32_t>::max() - 2 * segment_of_block;
  expects(dimension >= 1 && dimension <= most,
          [&] { return message(operation, ": samples have ", dimension, " values; a device takes from 1 to ", most); });
}

}  // namespace fewstep::detail

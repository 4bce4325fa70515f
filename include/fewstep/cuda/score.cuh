// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/row_segments.cuh>
#include <fewstep/mdp/score.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// The score kernel on a device; see row_segments.cuh for the order of its sums.

namespace fewstep {

namespace detail {

/// Where a score kernel stands in a row: on a row of one segment, or on one segment of several, in a first pass that
/// adds up squares and a second one that writes.
enum class score_pass { whole, squares, gradient };

/// The row that some threads are at.
template <objective Objective>
struct score_row {
  index_t i;
  index_t row, step;
  step_row coefficients;
  int dimension;

  FEWSTEP_HD score_row(const scored_rows<Objective>& a, index_t transition)
      : i(transition),
        row(a.row_of(transition)),
        step(quotient(row, a.samples)),
        coefficients(a.table[step]),
        dimension(static_cast<int>(a.o.cols())) {}

  /// Values [at, at + 4) of the row.
  template <bool Packets, bool Referenced>
  FEWSTEP_HD void load(const scored_rows<Objective>& a, int at, int n, float_packet& residual,
                       float_packet& difference) const {
    const float_packet xs = load_values<Packets>(a.x.row(i), at, n), nexts = load_values<Packets>(a.next.row(i), at, n),
                       os = load_values<Packets>(a.o.row(i), at, n);
    for (int k = 0; k < 4; ++k) residual[k] = residual_of(nexts[k], xs[k], os[k], coefficients.a, coefficients.b);
    if constexpr (Referenced) {
      const float_packet references = load_values<Packets>(a.reference.row(i), at, n);
      for (int k = 0; k < 4; ++k) difference[k] = os[k] - references[k];
    }
  }

  [[nodiscard]] FEWSTEP_HD scored finish(const scored_rows<Objective>& a, double squares,
                                         double reference_squares) const {
    const loss_settings<Objective>& settings = *a.settings;
    return score_of(log_probability_of(squares, dimension, coefficients.sigma, a.over), reference_squares, coefficients,
                    dimension, a.over, settings.value, a.old_log_probabilities[row],
                    a.advantages[row - step * a.samples], static_cast<std::int32_t>(step), settings.rows,
                    settings.coefficient);
  }
};

/// Scores rows of up to one segment, or passes over the segments of longer ones: block r * segments + s is at segment s
/// of row r, and sums[2 r segments + s] and sums[(2 r + 1) segments + s] hold what it adds to the squares.
template <int Lanes, bool Packets, bool Referenced, score_pass Pass, objective Objective>
struct score_segments {
  static constexpr int threads = 256, resident_blocks = 2;
  static constexpr index_t rows_per_block = threads / Lanes;

  scored_rows<Objective> a;
  int segments;
  double* sums;

  [[nodiscard]] std::size_t shared_bytes() const { return Lanes > warp_size ? sizeof(float_packet) : 0; }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int lane = block.thread() % Lanes;
    index_t i = block.index() * rows_per_block + block.thread() / Lanes;
    int first = 0;
    if constexpr (Pass != score_pass::whole) {
      i = quotient(block.index(), segments);
      first = static_cast<int>(block.index() - i * segments) * segment_of_block;
    }
    const bool there = i < a.o.rows();
    const score_row<Objective> row(a, there ? i : a.o.rows() - 1);
    const int n = there ? row.dimension : 0;

    held_values<Referenced> held;
    for (int p = 0; p < packets_of_thread; ++p)
      row.template load<Packets, Referenced>(a, first + 4 * (lane + p * Lanes), n, held.residual[p],
                                             held.difference[Referenced ? p : 0]);
    double squares = 0, reference_squares = 0;
    double* of_row = Pass == score_pass::whole ? nullptr : sums + 2 * i * segments;
    if constexpr (Pass != score_pass::gradient) {
      squares = sum_of_lanes<Lanes>(block, static_cast<double>(held.squares()));
      if constexpr (Referenced)
        reference_squares = sum_of_lanes<Lanes>(block, static_cast<double>(held.reference_squares()));
    }
    if constexpr (Pass == score_pass::squares) {
      const int s = first / segment_of_block;
      if (lane == 0) of_row[s] = squares;
      if (Referenced && lane == 0) of_row[segments + s] = reference_squares;
    } else {
      scored done{};
      if constexpr (Lanes > warp_size) {
        auto* factors = block.template shared<float>(2);
        if (lane == 0) {
          if constexpr (Pass == score_pass::gradient) {
            squares = sum_of_segments(of_row, segments);
            if constexpr (Referenced) reference_squares = sum_of_segments(of_row + segments, segments);
          }
          done = row.finish(a, squares, reference_squares);
          if (first == 0) a.scores[i] = done.result;
          factors[0] = done.on_residual;
          factors[1] = done.on_difference;
        }
        block.sync();
        done.on_residual = factors[0];
        done.on_difference = factors[1];
      } else {
        done = row.finish(a, squares, reference_squares);
        if (there && lane == 0) a.scores[i] = done.result;
      }
      float* o = a.o.row(row.i);
      for (int p = 0; p < packets_of_thread; ++p)
        store_values<Packets>(
            o, first + 4 * (lane + p * Lanes), n,
            held.gradient(held.residual[p], held.difference[Referenced ? p : 0], done.on_residual, done.on_difference));
    }
  }
};

/// Scores long rows, a block each: x, x' and o are read once, and shared memory keeps what the gradient is made of.
template <bool Packets, bool Referenced, objective Objective>
struct score_long_rows {
  static constexpr int threads = 256, resident_blocks = 3, warps = threads / warp_size, kinds = Referenced ? 2 : 1;

  scored_rows<Objective> a;
  int segments;

  [[nodiscard]] static std::size_t shared_bytes(index_t segments) {
    const auto s = static_cast<std::size_t>(segments);
    return s * kinds * segment_of_block * sizeof(float) + s * kinds * (warps + 1) * sizeof(double) +
           2 * sizeof(float_packet);  // factors, and up to 8 bytes to a boundary
  }
  [[nodiscard]] std::size_t shared_bytes() const { return shared_bytes(segments); }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int thread = block.thread(), warp = thread / warp_size;
    auto* residuals = block.template shared<float_packet>(segments * segment_of_block / 4);
    auto* differences = residuals;
    if constexpr (Referenced) differences = block.template shared<float_packet>(segments * segment_of_block / 4);
    auto* sums = block.template shared<double>(kinds * segments * (warps + 1));
    auto* factors = block.template shared<float>(4);
    double* of_warps = sums + kinds * segments;

    const score_row<Objective> row(a, block.index());
    for (int s = 0; s < segments; ++s) {
      float sum = 0, reference_sum = 0;
      for (int p = 0; p < packets_of_thread; ++p) {
        const int at = s * segment_of_block / 4 + thread + p * threads;
        float_packet residual, difference;
        row.template load<Packets, Referenced>(a, 4 * at, row.dimension, residual, difference);
        residuals[at] = residual;
        sum = add_squares(sum, residual);
        if constexpr (Referenced) {
          differences[at] = difference;
          reference_sum = add_squares(reference_sum, difference);
        }
      }
      const double squares = block.warp_sum(static_cast<double>(sum));
      if (thread % warp_size == 0) of_warps[s * warps + warp] = squares;
      if constexpr (Referenced) {
        const double reference_squares = block.warp_sum(static_cast<double>(reference_sum));
        if (thread % warp_size == 0) of_warps[(segments + s) * warps + warp] = reference_squares;
      }
    }
    block.sync();
    if (thread < kinds * segments) sums[thread] = sum_of_segments(of_warps + thread * warps, warps);
    block.sync();
    if (thread == 0) {
      const scored done = row.finish(a, sum_of_segments(sums, segments),
                                     Referenced ? sum_of_segments(sums + (kinds - 1) * segments, segments) : 0.0);
      a.scores[row.i] = done.result;
      factors[0] = done.on_residual;
      factors[1] = done.on_difference;
    }
    block.sync();
    const float on_residual = factors[0], on_difference = factors[1];
    float* o = a.o.row(row.i);
    for (int at = thread; 4 * at < row.dimension; at += threads)
      store_values<Packets>(
          o, 4 * at, row.dimension,
          held_values<Referenced>::gradient(residuals[at], differences[at], on_residual, on_difference));
  }
};

/// The two flags of a kernel that are known at run time only: work(packets, referenced) with integral constants.
template <class Work>
void with_flags(bool packets, bool referenced, const Work& work) {
  if (packets && referenced)
    work(std::true_type{}, std::true_type{});
  else if (packets)
    work(std::true_type{}, std::false_type{});
  else if (referenced)
    work(std::false_type{}, std::true_type{});
  else
    work(std::false_type{}, std::false_type{});
}

/// Ways to score rows of several segments; all give the same bits. Tests ask for each of them.
enum class long_rows { automatic, block, split };

template <class Device, objective Objective>
void score_rows(device_backend<Device>& backend, const scored_rows<Objective>& a, long_rows way) {
  const index_t rows = a.o.rows(), dimension = a.o.cols();
  if (rows == 0) return;
  check_dimension("score_rows", dimension);
  auto& executor = backend.executor(0);
  with_flags(dimension % 4 == 0 && on_packets(a.x.data, a.next.data, a.o.data, a.reference.data),
             a.reference.data != nullptr, [&]<class Packets, class Referenced>(Packets, Referenced) {
               const index_t segments = segments_of(dimension);
               const auto launch_whole = [&]<int Lanes>(std::integral_constant<int, Lanes>) {
                 using kernel = score_segments<Lanes, Packets::value, Referenced::value, score_pass::whole, Objective>;
                 executor.launch((rows + kernel::rows_per_block - 1) / kernel::rows_per_block, kernel{a, 1, nullptr});
               };
               if (segments == 1) {
                 const int lanes = lanes_of(dimension);
                 if (lanes == 1)
                   launch_whole(std::integral_constant<int, 1>{});
                 else if (lanes == warp_size)
                   launch_whole(std::integral_constant<int, warp_size>{});
                 else
                   launch_whole(std::integral_constant<int, 256>{});
                 return;
               }
               // One block for each row reads everything once, which pays where there are blocks enough for the whole
               // GPU and a row fits in a block's memory; else a second pass finds most of what it reads in the cache.
               using long_kernel = score_long_rows<Packets::value, Referenced::value, Objective>;
               const bool fits = long_kernel::shared_bytes(segments) <= executor.device().shared_memory();
               const bool many = rows >= 2 * static_cast<index_t>(executor.device().multiprocessors());
               if (fits && way != long_rows::split && (many || way == long_rows::block))
                 return executor.launch(rows, long_kernel{a, static_cast<int>(segments)});
               auto* sums = executor.template scratch<double>(device_executor<Device>::partials, 2 * rows * segments);
               const auto launch = [&]<score_pass Pass>(std::integral_constant<score_pass, Pass>) {
                 executor.launch(rows * segments,
                                 score_segments<256, Packets::value, Referenced::value, Pass, Objective>{
                                     a, static_cast<int>(segments), sums});
               };
               launch(std::integral_constant<score_pass, score_pass::squares>{});
               launch(std::integral_constant<score_pass, score_pass::gradient>{});
             });
}

}  // namespace detail

/// score_transition of every row, fused: x, x', o and o_ref are read once (rows that do not fit in a block's memory, or
/// are too few to fill the GPU with a block each, twice), and the gradient is written over o.
template <class Device, objective Objective>
void score_rows(device_backend<Device>& backend, const scored_rows<Objective>& a) {
  detail::score_rows(backend, a, detail::long_rows::automatic);
}

}  // namespace fewstep

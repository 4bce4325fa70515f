// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/row_segments.cuh>
#include <fewstep/cuda/score_row.cuh>
#include <fewstep/mdp/score.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// The score kernel on a device; see row_segments.cuh for the order of its sums.

namespace fewstep {

namespace detail {

/// Where a score kernel stands in a row: on a row of one segment, or on one segment of several, in a first pass that
/// adds up and a second one that writes.
enum class score_pass { whole, sums, gradient };

/// Scores rows of up to one segment, or passes over the segments of longer ones: block r * segments + s is at segment s
/// of row r, and sums[(kinds r + j) segments + s] holds what it adds to sum j of score_row::finish.
template <int Lanes, bool Packets, bool Referenced, score_pass Pass, class Rows>
struct score_segments {
  using others = compared<Referenced, Rows>;
  static constexpr int threads = 256, resident_blocks = 2, kinds = 1 + others::count, terms = 1 + others::kept;
  static constexpr index_t rows_per_block = threads / Lanes;

  Rows a;
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
    const score_row<Referenced, Rows> row(a, there ? i : a.o.rows() - 1);
    const int n = there ? row.dimension : 0;

    held_values<others::kept> held;
    float of_log_ratio = 0;
    for (int p = 0; p < packets_of_thread; ++p)
      row.template load<Packets>(
          a, first + 4 * (lane + p * Lanes), n, held.residual[p],
          [&](int k, const float_packet& difference) { held.difference[k][p] = difference; },
          [&](const float_packet& difference) {
            of_log_ratio = add_log_ratio(of_log_ratio, held.residual[p], difference, row.coefficients.b);
          });
    double totals[kinds] = {};
    double* of_row = Pass == score_pass::whole ? nullptr : sums + kinds * i * segments;
    if constexpr (Pass != score_pass::gradient) {
      totals[0] = sum_of_lanes<Lanes>(block, static_cast<double>(held.squares()));
      if constexpr (others::first_kept > 0) totals[1] = sum_of_lanes<Lanes>(block, static_cast<double>(of_log_ratio));
      for (int k = 0; k < others::kept; ++k)
        totals[1 + others::first_kept + k] = sum_of_lanes<Lanes>(block, static_cast<double>(held.squares(k)));
    }
    if constexpr (Pass == score_pass::sums) {
      const int s = first / segment_of_block;
      if (lane == 0)
        for (int kind = 0; kind < kinds; ++kind) of_row[kind * segments + s] = totals[kind];
    } else {
      gradient_factors<others::kept> factors{};
      if constexpr (Lanes > warp_size) {
        auto* shared = block.template shared<float>(terms);
        if (lane == 0) {
          if constexpr (Pass == score_pass::gradient)
            for (int kind = 0; kind < kinds; ++kind) totals[kind] = sum_of_segments(of_row + kind * segments, segments);
          const scored done = row.finish(a, totals);
          if (first == 0) a.scores[i] = done.result;
          factors = gradient_factors<others::kept>::template from<others>(done);
          for (int term = 0; term < terms; ++term) shared[term] = factors.of[term];
        }
        block.sync();
        for (int term = 0; term < terms; ++term) factors.of[term] = shared[term];
      } else {
        const scored done = row.finish(a, totals);
        if (there && lane == 0) a.scores[i] = done.result;
        factors = gradient_factors<others::kept>::template from<others>(done);
      }
      float* o = a.o.row(row.i);
      for (int p = 0; p < packets_of_thread; ++p) {
        float_packet gradient;
        for (int k = 0; k < 4; ++k) {
          gradient[k] = factors.of[0] * held.residual[p][k];
          for (int kept = 0; kept < others::kept; ++kept)
            gradient[k] = std::fma(factors.of[1 + kept], held.difference[kept][p][k], gradient[k]);
        }
        store_values<Packets>(o, first + 4 * (lane + p * Lanes), n, gradient);
      }
    }
  }
};

/// Scores long rows, a block each: x, x' and o are read once, and shared memory keeps what the gradient is made of.
template <bool Packets, bool Referenced, class Rows>
struct score_long_rows {
  using others = compared<Referenced, Rows>;
  static constexpr int threads = 256, resident_blocks = 3, warps = threads / warp_size;
  static constexpr int kinds = 1 + others::count, terms = 1 + others::kept;

  Rows a;
  int segments;

  [[nodiscard]] static std::size_t shared_bytes(index_t segments) {
    const auto s = static_cast<std::size_t>(segments);
    return s * terms * segment_of_block * sizeof(float) + s * kinds * (warps + 1) * sizeof(double) +
           2 * sizeof(float_packet);  // factors, and up to 8 bytes to a boundary
  }
  [[nodiscard]] std::size_t shared_bytes() const { return shared_bytes(segments); }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int thread = block.thread(), warp = thread / warp_size, packets = segments * segment_of_block / 4;
    float_packet* kept[terms];  // residuals, then each difference
    for (int term = 0; term < terms; ++term) kept[term] = block.template shared<float_packet>(packets);
    auto* sums = block.template shared<double>(kinds * segments * (warps + 1));
    auto* shared_factors = block.template shared<float>(4);
    double* of_warps = sums + kinds * segments;

    const score_row<Referenced, Rows> row(a, block.index());
    for (int s = 0; s < segments; ++s) {
      float sum[kinds] = {};
      constexpr int of_reference = kinds > 1 ? 1 : 0;  // where there is one
      for (int p = 0; p < packets_of_thread; ++p) {
        const int at = s * segment_of_block / 4 + thread + p * threads;
        float_packet residual;
        row.template load<Packets>(
            a, 4 * at, row.dimension, residual,
            [&](int k, const float_packet& difference) {
              const int kind = 1 + others::first_kept + k;
              kept[1 + k][at] = difference;
              sum[kind] = add_squares(sum[kind], difference);
            },
            [&](const float_packet& difference) {
              sum[of_reference] = add_log_ratio(sum[of_reference], residual, difference, row.coefficients.b);
            });
        kept[0][at] = residual;
        sum[0] = add_squares(sum[0], residual);
      }
      for (int kind = 0; kind < kinds; ++kind) {
        const double of_warp = block.warp_sum(static_cast<double>(sum[kind]));
        if (thread % warp_size == 0) of_warps[(kind * segments + s) * warps + warp] = of_warp;
      }
    }
    block.sync();
    if (thread < kinds * segments) sums[thread] = sum_of_segments(of_warps + thread * warps, warps);
    block.sync();
    if (thread == 0) {
      double totals[kinds];
      for (int kind = 0; kind < kinds; ++kind) totals[kind] = sum_of_segments(sums + kind * segments, segments);
      const scored done = row.finish(a, totals);
      a.scores[row.i] = done.result;
      const auto factors = gradient_factors<others::kept>::template from<others>(done);
      for (int term = 0; term < terms; ++term) shared_factors[term] = factors.of[term];
    }
    block.sync();
    float factors[terms];
    for (int term = 0; term < terms; ++term) factors[term] = shared_factors[term];
    float* o = a.o.row(row.i);
    for (int at = thread; 4 * at < row.dimension; at += threads) {
      float_packet gradient;
      for (int k = 0; k < 4; ++k) {
        gradient[k] = factors[0] * kept[0][at][k];
        for (int term = 1; term < terms; ++term) gradient[k] = std::fma(factors[term], kept[term][at][k], gradient[k]);
      }
      store_values<Packets>(o, 4 * at, row.dimension, gradient);
    }
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

template <class Device, objective Objective, class Estimate>
void score_rows(device_backend<Device>& backend, const scored_rows<Objective, Estimate>& a, long_rows way) {
  using rows_type = scored_rows<Objective, Estimate>;
  const index_t rows = a.o.rows(), dimension = a.o.cols();
  if (rows == 0) return;
  check_old_outputs(a);
  check_dimension("score_rows", dimension);
  auto& executor = backend.executor(0);
  with_flags(
      dimension % 4 == 0 && on_packets(a.x.data, a.next.data, a.o.data, a.reference.data, a.old_output.data),
      a.reference.data != nullptr, [&]<class Packets, class Referenced>(Packets, Referenced) {
        const index_t segments = segments_of(dimension);
        const auto launch_whole = [&]<int Lanes>(std::integral_constant<int, Lanes>) {
          using kernel = score_segments<Lanes, Packets::value, Referenced::value, score_pass::whole, rows_type>;
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
        using long_kernel = score_long_rows<Packets::value, Referenced::value, rows_type>;
        const bool fits = long_kernel::shared_bytes(segments) <= executor.device().shared_memory();
        const bool many = rows >= 2 * static_cast<index_t>(executor.device().multiprocessors());
        if (fits && way != long_rows::split && (many || way == long_rows::block))
          return executor.launch(rows, long_kernel{a, static_cast<int>(segments)});
        auto* sums =
            executor.template scratch<double>(device_executor<Device>::partials, long_kernel::kinds * rows * segments);
        const auto launch = [&]<score_pass Pass>(std::integral_constant<score_pass, Pass>) {
          executor.launch(rows * segments, score_segments<256, Packets::value, Referenced::value, Pass, rows_type>{
                                               a, static_cast<int>(segments), sums});
        };
        launch(std::integral_constant<score_pass, score_pass::sums>{});
        launch(std::integral_constant<score_pass, score_pass::gradient>{});
      });
}

}  // namespace detail

/// score_transition of every row, fused: x, x', o and the outputs it is compared with are read once (rows that do not
/// fit in a block's memory, or are too few to fill the GPU with a block each, twice), and the gradient is written over
/// o.
template <class Device, objective Objective, class Estimate>
void score_rows(device_backend<Device>& backend, const scored_rows<Objective, Estimate>& a) {
  detail::score_rows(backend, a, detail::long_rows::automatic);
}

}  // namespace fewstep

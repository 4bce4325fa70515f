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

/// The outputs that o is compared with: the reference's if there is one, then the rollout's if the objective asks.
template <bool Referenced, objective Objective>
struct compared {
  static constexpr int first_old = Referenced ? 1 : 0;
  static constexpr int count = first_old + (needs_old_outputs<Objective> ? 1 : 0);

  [[nodiscard]] FEWSTEP_HD static const float* row(const scored_rows<Objective>& a, int other, index_t i) {
    return Referenced && other == 0 ? a.reference.row(i) : a.old_output.row(i);
  }
  [[nodiscard]] FEWSTEP_HD static compared_squares squares(const double (&of)[count + 1]) {
    compared_squares s;
    if constexpr (Referenced) s.reference = of[1];
    if constexpr (needs_old_outputs<Objective>) s.old = of[1 + first_old];
    return s;
  }
};

/// The factors of a row's gradient: on the residual, then on each difference.
template <int Others>
struct gradient_factors {
  float of[1 + Others];

  template <class Compared>
  FEWSTEP_HD static gradient_factors from(const scored& done) {
    gradient_factors f;
    f.of[0] = done.on_residual;
    if constexpr (Compared::first_old > 0) f.of[1] = done.on_reference;
    if constexpr (Others > Compared::first_old) f.of[1 + Compared::first_old] = done.on_old;
    return f;
  }
};

/// The row that some threads are at.
template <bool Referenced, objective Objective>
struct score_row {
  using others = compared<Referenced, Objective>;

  index_t i;
  std::int32_t step;
  step_row coefficients;
  int dimension;

  FEWSTEP_HD score_row(const scored_rows<Objective>& a, index_t transition)
      : i(transition), step(a.step[transition]), coefficients(a.table[step]), dimension(static_cast<int>(a.o.cols())) {}

  /// Residual and differences of values [at, at + 4) of the row, 0 for values that are not scored.
  template <bool Packets, class Keep>
  FEWSTEP_HD void load(const scored_rows<Objective>& a, int at, int n, float_packet& residual, const Keep& keep) const {
    const float_packet xs = load_values<Packets>(a.x.row(i), at, n), nexts = load_values<Packets>(a.next.row(i), at, n),
                       os = load_values<Packets>(a.o.row(i), at, n);
    for (int k = 0; k < 4; ++k) residual[k] = residual_of(nexts[k], xs[k], os[k], coefficients.a, coefficients.b);
    clear_unscored(a, at, residual);
    for (int other = 0; other < others::count; ++other) {
      float_packet difference = load_values<Packets>(others::row(a, other, i), at, n);
      for (int k = 0; k < 4; ++k) difference[k] = os[k] - difference[k];
      clear_unscored(a, at, difference);
      keep(other, difference);
    }
  }

  /// `sums`: squares of the residuals, then of each difference.
  [[nodiscard]] FEWSTEP_HD scored finish(const scored_rows<Objective>& a,
                                         const double (&sums)[others::count + 1]) const {
    const loss_settings<Objective>& settings = *a.settings;
    const index_t scored = a.scored.size(dimension);
    return score_of(log_probability_of(sums[0], scored, coefficients.sigma, a.reduction), others::squares(sums),
                    coefficients, scored, a.reduction, settings.value, a.old_log_probability[i], a.advantage[i], step,
                    settings.rows, settings.coefficient);
  }

 private:
  /// Rows are shared out and added up by their length alone, as in the rollout, whatever is scored of them.
  FEWSTEP_HD static void clear_unscored(const scored_rows<Objective>& a, int at, float_packet& values) {
    if (a.scored.is_all()) return;
    const int first = static_cast<int>(a.scored.first), count = static_cast<int>(a.scored.count);
    for (int k = 0; k < 4; ++k)
      if (!is_scored(at + k, first, count)) values[k] = 0;
  }
};

/// Scores rows of up to one segment, or passes over the segments of longer ones: block r * segments + s is at segment s
/// of row r, and sums[(kinds r + j) segments + s] holds what it adds to the squares of kind j: of the residuals, then
/// of each difference.
template <int Lanes, bool Packets, bool Referenced, score_pass Pass, objective Objective>
struct score_segments {
  using others = compared<Referenced, Objective>;
  static constexpr int threads = 256, resident_blocks = 2, kinds = 1 + others::count;
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
    const score_row<Referenced, Objective> row(a, there ? i : a.o.rows() - 1);
    const int n = there ? row.dimension : 0;

    held_values<others::count> held;
    for (int p = 0; p < packets_of_thread; ++p)
      row.template load<Packets>(
          a, first + 4 * (lane + p * Lanes), n, held.residual[p],
          [&](int other, const float_packet& difference) { held.difference[other][p] = difference; });
    double squares[kinds] = {};
    double* of_row = Pass == score_pass::whole ? nullptr : sums + kinds * i * segments;
    if constexpr (Pass != score_pass::gradient) {
      squares[0] = sum_of_lanes<Lanes>(block, static_cast<double>(held.squares()));
      for (int other = 0; other < others::count; ++other)
        squares[1 + other] = sum_of_lanes<Lanes>(block, static_cast<double>(held.squares(other)));
    }
    if constexpr (Pass == score_pass::squares) {
      const int s = first / segment_of_block;
      if (lane == 0)
        for (int kind = 0; kind < kinds; ++kind) of_row[kind * segments + s] = squares[kind];
    } else {
      gradient_factors<others::count> factors{};
      if constexpr (Lanes > warp_size) {
        auto* shared = block.template shared<float>(kinds);
        if (lane == 0) {
          if constexpr (Pass == score_pass::gradient)
            for (int kind = 0; kind < kinds; ++kind)
              squares[kind] = sum_of_segments(of_row + kind * segments, segments);
          const scored done = row.finish(a, squares);
          if (first == 0) a.scores[i] = done.result;
          factors = gradient_factors<others::count>::template from<others>(done);
          for (int kind = 0; kind < kinds; ++kind) shared[kind] = factors.of[kind];
        }
        block.sync();
        for (int kind = 0; kind < kinds; ++kind) factors.of[kind] = shared[kind];
      } else {
        const scored done = row.finish(a, squares);
        if (there && lane == 0) a.scores[i] = done.result;
        factors = gradient_factors<others::count>::template from<others>(done);
      }
      float* o = a.o.row(row.i);
      for (int p = 0; p < packets_of_thread; ++p) {
        float_packet gradient;
        for (int k = 0; k < 4; ++k) {
          gradient[k] = factors.of[0] * held.residual[p][k];
          for (int other = 0; other < others::count; ++other)
            gradient[k] = std::fma(factors.of[1 + other], held.difference[other][p][k], gradient[k]);
        }
        store_values<Packets>(o, first + 4 * (lane + p * Lanes), n, gradient);
      }
    }
  }
};

/// Scores long rows, a block each: x, x' and o are read once, and shared memory keeps what the gradient is made of.
template <bool Packets, bool Referenced, objective Objective>
struct score_long_rows {
  using others = compared<Referenced, Objective>;
  static constexpr int threads = 256, resident_blocks = 3, warps = threads / warp_size, kinds = 1 + others::count;

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
    const int thread = block.thread(), warp = thread / warp_size, packets = segments * segment_of_block / 4;
    float_packet* kept[kinds];  // residuals, then each difference
    for (int kind = 0; kind < kinds; ++kind) kept[kind] = block.template shared<float_packet>(packets);
    auto* sums = block.template shared<double>(kinds * segments * (warps + 1));
    auto* shared_factors = block.template shared<float>(4);
    double* of_warps = sums + kinds * segments;

    const score_row<Referenced, Objective> row(a, block.index());
    for (int s = 0; s < segments; ++s) {
      float sum[kinds] = {};
      for (int p = 0; p < packets_of_thread; ++p) {
        const int at = s * segment_of_block / 4 + thread + p * threads;
        float_packet residual;
        row.template load<Packets>(a, 4 * at, row.dimension, residual, [&](int other, const float_packet& difference) {
          kept[1 + other][at] = difference;
          sum[1 + other] = add_squares(sum[1 + other], difference);
        });
        kept[0][at] = residual;
        sum[0] = add_squares(sum[0], residual);
      }
      for (int kind = 0; kind < kinds; ++kind) {
        const double squares = block.warp_sum(static_cast<double>(sum[kind]));
        if (thread % warp_size == 0) of_warps[(kind * segments + s) * warps + warp] = squares;
      }
    }
    block.sync();
    if (thread < kinds * segments) sums[thread] = sum_of_segments(of_warps + thread * warps, warps);
    block.sync();
    if (thread == 0) {
      double squares[kinds];
      for (int kind = 0; kind < kinds; ++kind) squares[kind] = sum_of_segments(sums + kind * segments, segments);
      const scored done = row.finish(a, squares);
      a.scores[row.i] = done.result;
      const auto factors = gradient_factors<others::count>::template from<others>(done);
      for (int kind = 0; kind < kinds; ++kind) shared_factors[kind] = factors.of[kind];
    }
    block.sync();
    float factors[kinds];
    for (int kind = 0; kind < kinds; ++kind) factors[kind] = shared_factors[kind];
    float* o = a.o.row(row.i);
    for (int at = thread; 4 * at < row.dimension; at += threads) {
      float_packet gradient;
      for (int k = 0; k < 4; ++k) {
        gradient[k] = factors[0] * kept[0][at][k];
        for (int kind = 1; kind < kinds; ++kind) gradient[k] = std::fma(factors[kind], kept[kind][at][k], gradient[k]);
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

template <class Device, objective Objective>
void score_rows(device_backend<Device>& backend, const scored_rows<Objective>& a, long_rows way) {
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
        auto* sums =
            executor.template scratch<double>(device_executor<Device>::partials, long_kernel::kinds * rows * segments);
        const auto launch = [&]<score_pass Pass>(std::integral_constant<score_pass, Pass>) {
          executor.launch(rows * segments, score_segments<256, Packets::value, Referenced::value, Pass, Objective>{
                                               a, static_cast<int>(segments), sums});
        };
        launch(std::integral_constant<score_pass, score_pass::squares>{});
        launch(std::integral_constant<score_pass, score_pass::gradient>{});
      });
}

}  // namespace detail

/// score_transition of every row, fused: x, x', o and the outputs it is compared with are read once (rows that do not
/// fit in a block's memory, or are too few to fill the GPU with a block each, twice), and the gradient is written over
/// o.
template <class Device, objective Objective>
void score_rows(device_backend<Device>& backend, const scored_rows<Objective>& a) {
  detail::score_rows(backend, a, detail::long_rows::automatic);
}

}  // namespace fewstep

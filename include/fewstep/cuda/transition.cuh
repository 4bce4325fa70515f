// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/row_segments.cuh>
#include <fewstep/mdp/transition.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// The operations of a rollout on a device. Noise is drawn where it is used, a counter for every packet of four values,
/// and is that of the CPU.

namespace fewstep {

namespace detail {

[[nodiscard]] FEWSTEP_HD inline float_packet normals_at(const rollout_noise& noise, stream purpose, index_t sample,
                                                        std::uint32_t step, int group) {
  const normal_block z = random_stream{noise.seed, purpose}.normals(noise.first + static_cast<std::uint64_t>(sample),
                                                                    step, static_cast<std::uint32_t>(group));
  return {{z.z0, z.z1, z.z2, z.z3}};
}

/// Packet `column` of row `row` of the first states.
struct initial_packet {
  initial_states a;
  bool packets;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return (a.x.cols() + 3) / 4; }
  FEWSTEP_HD void operator()(index_t row, index_t column) const {
    const int group = static_cast<int>(column), n = static_cast<int>(a.x.cols());
    float_packet four = normals_at(*a.noise, stream::initial_noise, a.drawn_as(row), a.step, group);
    for (int k = 0; k < 4; ++k) four[k] *= a.sigma;
    if (a.data.data != nullptr)
      for (int k = 0; k < 4 && 4 * group + k < n; ++k)
        four[k] = std::fma(a.signal, a.data.row(row)[4 * group + k], four[k]);
    if (packets)
      store_values<true>(a.x.row(row), 4 * group, n, four);
    else
      store_values<false>(a.x.row(row), 4 * group, n, four);
  }
};

/// Moves rows of one segment, or one segment of longer rows: block r * segments + s is at segment s of row r and leaves
/// its squares in sums[block].
template <int Lanes, bool Packets>
struct step_segments {
  static constexpr int threads = 256;
  static constexpr index_t rows_per_block = threads / Lanes;

  transition_step a;
  int segments;
  double* sums;  ///< null where rows have one segment

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int lane = block.thread() % Lanes;
    index_t i = block.index() * rows_per_block + block.thread() / Lanes;
    int first = 0;
    if (Lanes > warp_size && segments > 1) {
      i = quotient(block.index(), segments);
      first = static_cast<int>(block.index() - i * segments) * segment_of_block;
    }
    const int n = i < a.x.rows() ? static_cast<int>(a.x.cols()) : 0;
    const int first_scored = static_cast<int>(a.scored.first), scored = n > 0 ? static_cast<int>(a.scored.size(n)) : 0;
    const float *x = a.x.row(i), *o = a.o.row(i);
    float* next = a.next.row(i);

    float sum = 0;
    for (int p = 0; p < packets_of_thread; ++p) {
      const int at = first + 4 * (lane + p * Lanes);
      const float_packet xs = load_values<Packets>(x, at, n), os = load_values<Packets>(o, at, n);
      float_packet moved{};
      if (at < n) {
        for (int k = 0; k < 4; ++k) moved[k] = std::fma(a.row.b, os[k], a.row.a * xs[k]);
        if (a.row.sigma > 0) {
          const float_packet z = normals_at(*a.noise, stream::noise, a.first + i, a.step, at / 4);
          for (int k = 0; k < 4; ++k) moved[k] = std::fma(a.row.sigma, z[k], moved[k]);
        }
        if (!a.stored.is_null())
          for (int k = 0; k < 4; ++k)
            if (at + k < n) moved[k] = a.stored.store(i, at + k, moved[k]);
        store_values<Packets>(next, at, n, moved);
      }
      for (int k = 0; k < 4; ++k) {
        // beyond the row there is noise too
        const bool counts = is_scored(at + k, first_scored, scored);
        const float residual = counts ? residual_of(moved[k], xs[k], os[k], a.row.a, a.row.b) : 0.0f;
        sum = std::fma(residual, residual, sum);
      }
    }
    if (a.log_probabilities == nullptr) return;  // all threads of the grid alike
    const double squares = sum_of_lanes<Lanes>(block, static_cast<double>(sum));
    if (lane != 0 || n == 0) return;
    if (sums != nullptr)
      sums[block.index()] = squares;
    else
      a.log_probabilities[i] = log_probability_of(squares, scored, a.row.sigma, a.reduction);
  }
};

/// The log-probability of row i from what its segments gave.
struct log_probability_of_segments {
  const double* sums;
  int segments;
  index_t dimension;
  float sigma;
  reduction over;
  double* log_probabilities;

  FEWSTEP_HD void operator()(index_t i) const {
    log_probabilities[i] = log_probability_of(sum_of_segments(sums + i * segments, segments), dimension, sigma, over);
  }
};

/// to[i] = skip x[i] + out o[i].
struct clean_prediction {
  const float *x, *o;
  float* to;
  float skip, out;

  FEWSTEP_HD void operator()(index_t i) const { to[i] = prediction(x[i], o[i]); }
  FEWSTEP_HD void packet(index_t i) const {
    const float_packet xs = load_packet(x + i), os = load_packet(o + i);
    float_packet four;
    for (int k = 0; k < 4; ++k) four[k] = prediction(xs[k], os[k]);
    store_packet(to + i, four);
  }
  [[nodiscard]] bool on_packets() const { return detail::on_packets(x, o, to); }

 private:
  [[nodiscard]] FEWSTEP_HD float prediction(float of_x, float of_o) const { return std::fma(out, of_o, skip * of_x); }
};

}  // namespace detail

template <class Device>
void draw_initial_states(device_backend<Device>& backend, const initial_states& a) {
  if (a.x.rows() == 0) return;
  detail::check_dimension("draw_initial_states", a.x.cols());
  backend.for_each(a.x.rows(), detail::initial_packet{a, a.x.cols() % 4 == 0 && detail::on_packets(a.x.data)});
}

template <class Device>
void take_step(device_backend<Device>& backend, const transition_step& a) {
  const index_t rows = a.x.rows(), dimension = a.x.cols();
  if (rows == 0) return;
  detail::check_dimension("take_step", dimension);
  auto& executor = backend.executor(0);
  const index_t segments = detail::segments_of(dimension);
  double* sums = nullptr;
  if (segments > 1 && a.log_probabilities != nullptr)
    sums = executor.template scratch<double>(device_executor<Device>::partials, rows * segments);
  const auto launch = [&]<int Lanes, bool Packets>(std::integral_constant<int, Lanes>, std::bool_constant<Packets>) {
    using kernel = detail::step_segments<Lanes, Packets>;
    const index_t blocks =
        segments > 1 ? rows * segments : (rows + kernel::rows_per_block - 1) / kernel::rows_per_block;
    executor.launch(blocks, kernel{a, static_cast<int>(segments), sums});
  };
  const auto with_lanes = [&](auto packets) {
    const int lanes = detail::lanes_of(dimension);
    if (lanes == 1)
      launch(std::integral_constant<int, 1>{}, packets);
    else if (lanes == detail::warp_size)
      launch(std::integral_constant<int, detail::warp_size>{}, packets);
    else
      launch(std::integral_constant<int, 256>{}, packets);
  };
  if (dimension % 4 == 0 && detail::on_packets(a.x.data, a.o.data, a.next.data))
    with_lanes(std::true_type{});
  else
    with_lanes(std::false_type{});
  if (sums != nullptr)
    executor.for_each(rows,
                      detail::log_probability_of_segments{sums, static_cast<int>(segments), a.scored.size(dimension),
                                                          a.row.sigma, a.reduction, a.log_probabilities});
}

template <class Device>
void emit_result(device_backend<Device>& backend, const rollout_result& a) {
  if (a.clean)
    backend.for_each(a.to.size(), detail::clean_prediction{a.x.data, a.o.data, a.to.data, a.skip, a.out});
  else
    backend.copy(a.next.data, a.to.data, a.to.size());
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/attention_kernel.cuh>
#include <fewstep/cuda/executor.cuh>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <type_traits>

/// Attention on a device; see attention_kernel.cuh.

namespace fewstep {

namespace detail {

/// How the queries of a head are shared out: `per_warp` of them for a warp at a time, many where they are re-used for
/// many blocks, few where scores take much memory; streamed where not even those of few fit into shared memory.
struct attention_plan {
  int per_warp;
  bool streamed;
};

/// A matter of the shape of one sample; no bit depends on it.
[[nodiscard]] inline attention_plan plan_of(const attention_shape& s, std::size_t shared_memory) {
  constexpr std::size_t preferred = std::size_t{96} << 10;
  const std::size_t most = std::min(std::size_t{160} << 10, shared_memory);
  constexpr index_t many = 4096;
  constexpr index_t limit = std::numeric_limits<std::int32_t>::max() / 4;
  expects(s.queries <= limit && s.keys <= limit && s.channels() <= limit && s.samples * s.heads <= limit, [&] {
    return message("attention: ", s.samples, " samples, ", s.heads, " heads, ", s.queries, " queries, ", s.keys,
                   " keys and heads of width ", s.width, "; on a device none of samples x heads, queries, keys and ",
                   "heads x width may be more than ", limit);
  });
  if (s.queries * s.heads >= many && attention_rows<8, false>::shared_bytes_of(s.keys, s.width) <= preferred)
    return {8, false};
  if (s.queries > attention_rows<2, false>::tile &&
      attention_rows<4, false>::shared_bytes_of(s.keys, s.width) <= preferred)
    return {4, false};
  if (attention_rows<2, false>::shared_bytes_of(s.keys, s.width) <= most) return {2, false};
  return {8, true};
}

/// run(integral_constant per_warp, bool_constant streamed) of the plan.
template <class Run>
void with_plan(const attention_plan& plan, const Run& run) {
  if (plan.streamed)
    run(std::integral_constant<int, 8>{}, std::true_type{});
  else if (plan.per_warp == 8)
    run(std::integral_constant<int, 8>{}, std::false_type{});
  else if (plan.per_warp == 4)
    run(std::integral_constant<int, 4>{}, std::false_type{});
  else
    run(std::integral_constant<int, 2>{}, std::false_type{});
}

[[nodiscard]] inline bool rows_on_packet_boundary(index_t width, std::initializer_list<strided_rows<const float>> all) {
  return width % 4 == 0 && std::all_of(all.begin(), all.end(), [](const strided_rows<const float>& rows) {
           return rows.stride % 4 == 0 && reinterpret_cast<std::uintptr_t>(rows.data) % 16 == 0;
         });
}

template <class Device>
void attention_forward_by(const attention_plan& plan, device_executor<Device>& executor, const attention_shape& s,
                          strided_rows<const float> q, strided_rows<const float> k, strided_rows<const float> v,
                          float* probabilities, float* y) {
  const bool packets = rows_on_packet_boundary(s.width, {q, k, v});
  const bool weight_packets = rows_on_packet_boundary(s.keys, {{probabilities, s.keys}});
  with_plan(plan, [&](auto per_warp, auto streamed) {
    const attention_rows<per_warp, false, streamed> kernel{.s = attention_sizes(s),
                                                           .scale = 1.0f / std::sqrt(static_cast<float>(s.width)),
                                                           .packets = packets,
                                                           .weight_packets = weight_packets,
                                                           .first_unit = 0,
                                                           .left = q,
                                                           .first = k,
                                                           .second = v,
                                                           .probabilities = probabilities,
                                                           .score_gradients = nullptr,
                                                           .out = {y, s.channels()}};
    executor.launch(s.samples * s.heads * kernel.tiles(), kernel);
  });
}

}  // namespace detail

/// y[samples,queries,channels] = softmax(q k^T / sqrt(width)) v, head by head (Vaswani et al. 2017, eq. 1).
/// probabilities[samples,heads,queries,keys] is kept for the backward pass.
template <class Device>
void attention_forward(device_executor<Device>& executor, const attention_shape& s, strided_rows<const float> q,
                       strided_rows<const float> k, strided_rows<const float> v, float* probabilities, float* y) {
  detail::attention_forward_by(detail::plan_of(s, executor.device().shared_memory()), executor, s, q, k, v,
                               probabilities, y);
}

namespace detail {

/// `most` score gradients are in memory at a time, or those of one head.
template <class Device>
void attention_backward_in_parts(const attention_plan& plan, device_executor<Device>& executor,
                                 const attention_shape& s, strided_rows<const float> q, strided_rows<const float> k,
                                 strided_rows<const float> v, const float* probabilities, const float* gy,
                                 strided_rows<float> gq, strided_rows<float> gk, strided_rows<float> gv, index_t most) {
  using slot = device_executor<Device>;
  const index_t matrix = std::max<index_t>(1, s.queries * s.keys), units = s.samples * s.heads;
  const index_t at_a_time = std::min(units, std::max<index_t>(1, most / matrix));
  const strided_rows<const float> upstream{gy, s.channels()};
  const bool packets = rows_on_packet_boundary(s.width, {q, k, v, upstream});
  with_plan(plan, [&](auto per_warp, auto streamed) {
    float* score_gradients = executor.template scratch<float>(slot::work, at_a_time * matrix);
    const bool weight_packets = rows_on_packet_boundary(s.keys, {{probabilities, s.keys}, {score_gradients, s.keys}});
    attention_rows<per_warp, true, streamed> of_queries{
        .s = attention_sizes(s),
        .scale = 1.0f / std::sqrt(static_cast<float>(s.width)),
        .packets = packets,
        .weight_packets = weight_packets,
        .first_unit = 0,
        .left = upstream,
        .first = v,
        .second = k,
        .probabilities = const_cast<float*>(probabilities),  // only read
        .score_gradients = score_gradients,
        .out = gq};
    attention_keys of_keys{.s = attention_sizes(s),
                           .packets = packets,
                           .weight_packets = weight_packets,
                           .first_unit = 0,
                           .probabilities = probabilities,
                           .score_gradients = score_gradients,
                           .gy = upstream,
                           .q = q,
                           .gv = gv,
                           .gk = gk};
    for (index_t first = 0; first < units; first += at_a_time) {
      const index_t count = std::min(at_a_time, units - first);
      of_queries.first_unit = of_keys.first_unit = static_cast<int>(first);
      executor.launch(count * of_queries.tiles(), of_queries);
      executor.launch(count * of_keys.blocks_of_unit(), of_keys);
    }
  });
}

}  // namespace detail

/// Overwrites gq, gk and gv with the gradients of the three operands (laid out as they are).
template <class Device>
void attention_backward(device_executor<Device>& executor, const attention_shape& s, strided_rows<const float> q,
                        strided_rows<const float> k, strided_rows<const float> v, const float* probabilities,
                        const float* gy, strided_rows<float> gq, strided_rows<float> gk, strided_rows<float> gv) {
  constexpr index_t most = index_t{1} << 24;
  detail::attention_backward_in_parts(detail::plan_of(s, executor.device().shared_memory()), executor, s, q, k, v,
                                      probabilities, gy, gq, gk, gv, most);
}

}  // namespace fewstep

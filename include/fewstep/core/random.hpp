// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/philox.hpp>
#include <fewstep/core/view.hpp>

#include <cstddef>
#include <cstdint>

namespace fewstep {

/// What a random number is for. Numbers of different streams are independent under one seed. Values are part of what a
/// checkpoint means: append, never renumber. A user's own streams start at `user`; there are 256 in all.
enum class stream : std::uint32_t {
  noise = 0,           ///< z of the sampler's transitions
  initial_noise = 1,   ///< x_0 of a trajectory
  prompts = 2,         ///< which prompts an update draws
  initialization = 3,  ///< parameters of a network
  training_times = 4,  ///< noise levels of a pretraining loss
  training_noise = 5,  ///< noise of a pretraining loss
  data = 6,            ///< which training examples a batch draws
  shuffle = 7,         ///< minibatch permutations
  resampling = 8,      ///< ancestors in particle steering
  evaluation = 9,      ///< everything that only looks
  dropout = 10,
  steps = 11,             ///< which steps of a trajectory are trained
  labels = 12,            ///< errors and ties of a labelling rule
  preference_times = 13,  ///< noise levels of comparisons
  preference_noise = 14,  ///< noise of comparisons
  regeneration = 15,      ///< from which level on a sample is made anew
  user = 64
};

/// Four independent standard normals.
struct normal_block {
  float z0, z1, z2, z3;
};

namespace detail {

/// Uniform in (0, 1] with steps of 2^-31 and none of them 0; the smallest is 2^-32.
FEWSTEP_HD constexpr float unit_interval(std::uint32_t bits) {
  return static_cast<float>(static_cast<std::int32_t>(bits >> 1)) * 4.656612873077393e-10f + 2.3283064365386963e-10f;
}

struct normal_pair {
  float first, second;
};

/// Box and Muller (1958). The radius ends at sqrt(64 ln 2) = 6.66. Inlined by force, for packets: clang++ finds it
/// large.
[[gnu::always_inline]] FEWSTEP_HD constexpr normal_pair box_muller(std::uint32_t radius_bits,
                                                                   std::uint32_t angle_bits) {
  const float radius = sqrt_float(-2.0f * log_of_normal(unit_interval(radius_bits)));
  const sin_cos angle =
      sincos_2pi(static_cast<float>(static_cast<std::int32_t>(angle_bits >> 8)) * 5.9604644775390625e-8f);
  return {radius * angle.cos, radius * angle.sin};
}

[[gnu::always_inline]] FEWSTEP_HD constexpr normal_block normals_of(const philox_block& bits) {
  const normal_pair low = box_muller(bits.x0, bits.x1);
  const normal_pair high = box_muller(bits.x2, bits.x3);
  return {low.first, low.second, high.first, high.second};
}

}  // namespace detail

/// Random numbers that are a function of (seed, stream, sample, step, element) and of nothing else: not of the batch
/// size, the number of threads, the rank or the order of the calls. Replay and resume need no state.
///
/// `sample` counts over the whole run (not within a batch) and stays below 2^56; `step` is the sampler's step or 0;
/// `element` counts the values of one sample. Philox counter {element / 4, step, sample low, sample high | stream},
/// key = seed; the element's remainder modulo 4 selects the word.
struct random_stream {
  std::uint64_t seed = 0;
  stream purpose = stream::noise;

  [[nodiscard]] FEWSTEP_HD constexpr philox_key key() const {
    return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  }

  [[nodiscard]] FEWSTEP_HD constexpr philox_block counter(std::uint64_t sample, std::uint32_t step,
                                                          std::uint32_t group) const {
    return {group, step, static_cast<std::uint32_t>(sample),
            (static_cast<std::uint32_t>(sample >> 32) & 0x00ffffffu) | static_cast<std::uint32_t>(purpose) << 24};
  }

  /// The 128 bits behind elements 4 * group .. 4 * group + 3.
  [[nodiscard]] FEWSTEP_HD constexpr philox_block bits(std::uint64_t sample, std::uint32_t step,
                                                       std::uint32_t group) const {
    return philox(counter(sample, step, group), key());
  }

  /// 32 uniform bits.
  [[nodiscard]] FEWSTEP_HD constexpr std::uint32_t word(std::uint64_t sample, std::uint32_t step,
                                                        std::uint64_t element) const {
    const philox_block block = bits(sample, step, static_cast<std::uint32_t>(element >> 2));
    const std::uint32_t low = (element & 1) != 0 ? block.x1 : block.x0;
    const std::uint32_t high = (element & 1) != 0 ? block.x3 : block.x2;
    return (element & 2) != 0 ? high : low;
  }

  /// Uniform in (0, 1].
  [[nodiscard]] FEWSTEP_HD constexpr float uniform(std::uint64_t sample, std::uint32_t step = 0,
                                                   std::uint64_t element = 0) const {
    return detail::unit_interval(word(sample, step, element));
  }

  /// Uniform in {0, ..., bound - 1}, bound >= 1; no value is off its probability by more than 2^-32.
  [[nodiscard]] FEWSTEP_HD constexpr std::uint32_t below(std::uint32_t bound, std::uint64_t sample,
                                                         std::uint32_t step = 0, std::uint64_t element = 0) const {
    return static_cast<std::uint32_t>((std::uint64_t{word(sample, step, element)} * bound) >> 32);
  }

  /// Standard normals of elements 4 * group .. 4 * group + 3.
  [[nodiscard]] FEWSTEP_HD constexpr normal_block normals(std::uint64_t sample, std::uint32_t step,
                                                          std::uint32_t group) const {
    return detail::normals_of(bits(sample, step, group));
  }

  /// Standard normal of one element; a loop over elements is better served by fill_normal.
  [[nodiscard]] FEWSTEP_HD constexpr float normal(std::uint64_t sample, std::uint32_t step = 0,
                                                  std::uint64_t element = 0) const {
    const normal_block z = normals(sample, step, static_cast<std::uint32_t>(element >> 2));
    const float low = (element & 1) != 0 ? z.z1 : z.z0;
    const float high = (element & 1) != 0 ? z.z3 : z.z2;
    return (element & 2) != 0 ? high : low;
  }
};

namespace detail {

/// out[4 * lane + word] for lane < lanes. Counters stand side by side, which a compiler turns into packets.
template <int lanes>
void fill_normal_block(const random_stream& source, std::uint64_t sample, std::uint32_t step, std::uint32_t first_group,
                       float* out) {
  constexpr std::size_t length = lanes;
  std::uint32_t x0[length], x1[length], x2[length], x3[length];
  float z0[length], z1[length], z2[length], z3[length];
  for (int lane = 0; lane < lanes; ++lane) {
    const philox_block start = source.counter(sample, step, first_group + static_cast<std::uint32_t>(lane));
    x0[lane] = start.x0;
    x1[lane] = start.x1;
    x2[lane] = start.x2;
    x3[lane] = start.x3;
  }
  philox_key key = source.key();
  for (int round = 0; round < philox_rounds; ++round) {
    for (int lane = 0; lane < lanes; ++lane) {
      const philox_block next = philox_round({x0[lane], x1[lane], x2[lane], x3[lane]}, key);
      x0[lane] = next.x0;
      x1[lane] = next.x1;
      x2[lane] = next.x2;
      x3[lane] = next.x3;
    }
    key = philox_next_key(key);
  }
  for (int lane = 0; lane < lanes; ++lane) {
    const normal_block z = normals_of({x0[lane], x1[lane], x2[lane], x3[lane]});
    z0[lane] = z.z0;
    z1[lane] = z.z1;
    z2[lane] = z.z2;
    z3[lane] = z.z3;
  }
  for (int lane = 0; lane < lanes; ++lane) {
    out[4 * lane] = z0[lane];
    out[4 * lane + 1] = z1[lane];
    out[4 * lane + 2] = z2[lane];
    out[4 * lane + 3] = z3[lane];
  }
}

/// Normals [first, min(n, first + 4 * lanes)) of a sample. A tail runs through the same code as the rest.
template <int lanes>
void fill_normal_part(const random_stream& source, std::uint64_t sample, std::uint32_t step, float* out, index_t first,
                      index_t n) {
  constexpr index_t block = 4 * lanes;
  const auto group = static_cast<std::uint32_t>(first / 4);
  if (first + block <= n) return fill_normal_block<lanes>(source, sample, step, group, out + first);
  float rest[static_cast<std::size_t>(block)];
  fill_normal_block<lanes>(source, sample, step, group, rest);
  for (index_t i = first; i < n; ++i) out[i] = rest[i - first];
}

}  // namespace detail

/// out[i] = source.normal(sample, step, i) for i < n, many at a time; element i has the same bits whatever n.
inline void fill_normal(const random_stream& source, std::uint64_t sample, std::uint32_t step, float* out, index_t n) {
  index_t i = 0;
  for (; n - i > 64; i += 128) detail::fill_normal_part<32>(source, sample, step, out, i, n);
  for (; i < n; i += 32) detail::fill_normal_part<8>(source, sample, step, out, i, n);  // a control loop wants few
}

}  // namespace fewstep

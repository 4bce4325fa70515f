// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/block.cuh>
#include <fewstep/cuda/in_flight.cuh>

#include <algorithm>
#include <cstddef>
#include <type_traits>

/// What the kernels of group normalisation have in common. A block has one sample and a bundle of adjacent groups of
/// channels, and keeps their values in shared memory where they fit, so that each is read once.

namespace fewstep::detail {

/// Neighbouring channels of a pixel that one thread has.
template <int Pack>
struct channel_pack {
  float v[Pack];
};

/// Packets says whether a pack of four lies on a 16-byte boundary.
template <int Pack, bool Packets>
[[nodiscard]] FEWSTEP_HD channel_pack<Pack> load_channels(const float* from) {
  channel_pack<Pack> pack;
  if constexpr (Pack == 4 && Packets) {
    const float_packet packet = load_packet(from);
    for (int l = 0; l < Pack; ++l) pack.v[l] = packet[l];
  } else {
    for (int l = 0; l < Pack; ++l) pack.v[l] = from[l];
  }
  return pack;
}

template <bool Packets, int Pack>
FEWSTEP_HD void store_channels(const channel_pack<Pack>& pack, float* to) {
  if constexpr (Pack == 4 && Packets)
    store_packet(to, {pack.v[0], pack.v[1], pack.v[2], pack.v[3]});
  else
    for (int l = 0; l < Pack; ++l) to[l] = pack.v[l];
}

/// run(pack, packets) with how many of `width` channels a thread takes at a time, a matter of the shape since sums are
/// split by it, and whether it may take them as packets.
template <class Run>
void with_pack_of(index_t width, bool on_boundaries, const Run& run) {
  if (width % 4 != 0)
    run(std::integral_constant<int, 1>{}, std::false_type{});
  else if (on_boundaries)
    run(std::integral_constant<int, 4>{}, std::true_type{});
  else
    run(std::integral_constant<int, 4>{}, std::false_type{});
}

/// How the blocks of group normalisation share out a batch: block = (sample, bundle of adjacent groups), thread = (row,
/// pack): packs of channels lie next to each other, and a thread has every rows-th pixel of its pack.
struct group_norm_tiling {
  static constexpr int threads = 512;

  int channels, positions, groups, group_width;
  int bundle;       ///< groups of a block
  int width;        ///< channels of a block
  int lanes, rows;  ///< packs that are worked on at the same time, and pixels
  int parts;        ///< rows are added up in so many parts, each by a thread
  int kept;         ///< values of each array that are kept in shared memory: all of a block's, or 0

  /// `arrays` of a block's values are kept if they fit.
  group_norm_tiling(const group_norm_shape& s, int pack, int arrays)
      : channels(static_cast<int>(s.channels)),
        positions(static_cast<int>(s.positions)),
        groups(static_cast<int>(s.groups)),
        group_width(static_cast<int>(s.group_width())),
        bundle(bundle_of(groups, group_width)),
        width(bundle * group_width),
        lanes(std::min(width / pack, threads)),
        rows(std::max(1, std::min(threads / lanes, positions))),
        parts(std::max(1, std::min(rows, threads / (2 * width)))) {
    constexpr index_t most = index_t{76} << 10;  // with what else they share a block stays below 99 KB
    const index_t bytes = s.positions * width * static_cast<index_t>(sizeof(float)) * arrays, sums = 40 * width;
    kept = bytes + sums <= most ? positions * width : 0;
  }

  [[nodiscard]] int bundles() const { return groups / bundle; }

  /// The fewest groups whose channels are whole sectors of memory (32 bytes), or at least enough of them.
  static int bundle_of(int groups, int group_width) {
    constexpr int sector = 8, enough = 16;
    for (const int unit : {sector, 1})
      for (int k = 1; k <= groups; ++k)
        if (groups % k == 0 && k * group_width % unit == 0 && k * group_width >= enough) return k;
    return groups;
  }
};

/// Shared memory for n floats, as a block counts it.
[[nodiscard]] inline std::size_t shared_floats(index_t n) {
  return static_cast<std::size_t>((n + 3) / 4 * 4) * sizeof(float);
}

/// use(p, load(p)) for a thread's pixels p; AtATime loads are under way together.
template <int AtATime, class Load, class Use>
FEWSTEP_HD void for_each_pixel(const group_norm_tiling& t, int row, const Load& load, const Use& use) {
  for (int first = row; first < t.positions; first += AtATime * t.rows)
    with_loads_in_flight<AtATime>(
        [&](int k) {
          const int p = first + k * t.rows;
          return load(p < t.positions ? p : first);
        },
        [&](int k, const auto& value) {
          const int p = first + k * t.rows;
          if (p < t.positions) use(p, value);
        });
}

/// out(group, sum) for every group of a block's bundle, on one thread, with the sum of value(row, channel) over the
/// group's channels and `rows` rows.
template <class Block, class Value, class Out>
FEWSTEP_HD void for_each_group_sum(Block& block, const group_norm_tiling& t, int rows, const Value& value,
                                   const Out& out) {
  constexpr int warps = Block::threads / warp_size;
  const int lane = block.thread() % warp_size, warp = block.thread() / warp_size;
  for (int first = 0; first < t.bundle; first += warps) {
    const int group = first + warp;
    double sum = 0;
    if (group < t.bundle)
      for (int e = lane; e < rows * t.group_width; e += warp_size) {
        const int row = e / t.group_width;
        sum += static_cast<double>(value(row, group * t.group_width + (e - row * t.group_width)));
      }
    sum = block.warp_sum(sum);
    if (lane == 0 && group < t.bundle) out(group, sum);
  }
}

/// Where a block and its threads stand.
struct group_norm_place {
  int sample, bundle, first;  ///< first: channel
  int row, lane;              ///< of the thread
  bool works;                 ///< whether the thread has a pack

  template <class Block>
  FEWSTEP_HD group_norm_place(const Block& block, const group_norm_tiling& t) {
    const int index = static_cast<int>(block.index()), bundles = t.groups / t.bundle;
    sample = index / bundles;
    bundle = index % bundles;
    first = bundle * t.width;
    row = block.thread() / t.lanes;
    lane = block.thread() % t.lanes;
    works = row < t.rows;
  }
  /// Places of the block's first value, and of its first group.
  [[nodiscard]] FEWSTEP_HD index_t image(const group_norm_tiling& t) const {
    return index_t{sample} * t.positions * t.channels + first;
  }
  [[nodiscard]] FEWSTEP_HD index_t group(const group_norm_tiling& t) const {
    return index_t{sample} * t.groups + bundle * t.bundle;
  }
};

/// Gain and bias, then (1 + scale) and shift of the conditioning.
struct group_norm_gains {
  const float *gamma, *beta, *scale_shift;  ///< scale_shift[samples, 2 channels] or null

  [[nodiscard]] FEWSTEP_HD float factor(const group_norm_tiling& t, int sample, int channel) const {
    return 1.0f + (scale_shift == nullptr ? 0.0f : scale_shift[index_t{sample} * 2 * t.channels + channel]);
  }
  [[nodiscard]] FEWSTEP_HD float shift(const group_norm_tiling& t, int sample, int channel) const {
    return scale_shift == nullptr ? 0.0f : scale_shift[(index_t{sample} * 2 + 1) * t.channels + channel];
  }
};

/// The affine map of a few channels that normalisation, gains and conditioning are together.
template <int Pack>
struct affine_pack {
  float slope[Pack], offset[Pack], mean[Pack];

  /// Of the block's channels c, c + 1, ...; mean and rstd are those of its groups.
  FEWSTEP_HD affine_pack(const group_norm_gains& gains, const group_norm_tiling& t, const group_norm_place& at, int c,
                         const float* mean_of_group, const float* rstd_of_group) {
    for (int l = 0; l < Pack; ++l) {
      const int channel = at.first + c + l, group = (c + l) / t.group_width;
      const float factor = gains.factor(t, at.sample, channel);
      mean[l] = mean_of_group[group];
      slope[l] = rstd_of_group[group] * (factor * gains.gamma[channel]);
      offset[l] = std::fma(factor, gains.beta[channel], gains.shift(t, at.sample, channel));
    }
  }
  [[nodiscard]] FEWSTEP_HD float operator()(float x, int l) const { return std::fma(x - mean[l], slope[l], offset[l]); }
};

}  // namespace fewstep::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/cuda/block.cuh>
#include <fewstep/cuda/in_flight.cuh>
#include <initializer_list>
#include <limits>
#include <type_traits>

/// Attention on a device. A block has a few queries of one sample and head, and their scores stay in shared memory from
/// the first product over the softmax to the second one; where there is no room for them, they pass through global
/// memory, in the arrays that keep them for the backward pass anyway. Every element of a product is one chain of
/// multiply-adds, so a sample's bits are the same however many there are, and wherever the scores are.

namespace fewstep::detail {

/// What the kernels of attention have in common: 8 warps share out the elements of a small product, 4 groups of rows
/// times 2 halves of 64 columns. A warp's lanes have neighbouring columns; all of them read the same rows.
struct attention_block {
  static constexpr int threads = 256, warps = threads / warp_size, groups = 4;
  static constexpr int tile = 64, pitch = tile + 4;  ///< of what is staged; 16 bytes more avoid bank conflicts
};

[[nodiscard]] FEWSTEP_HD constexpr int whole_packets(int n) { return (n + 3) / 4 * 4; }

/// to[r * pitch + c] = from[r * stride + c] for r < count and c < columns, rounded up to 4; zero beyond `rows` and
/// `columns`. `packets` says whether all rows lie on 16-byte boundaries.
template <class Block>
FEWSTEP_HD void stage_rows(Block& block, int count, const float* from, index_t stride, int rows, int columns,
                           bool packets, float* to, int pitch) {
  constexpr int threads = attention_block::threads, at_a_time = 4;  // loads that are under way together
  const int units = whole_packets(columns) / 4, all = count * units;
  for (int first = block.thread(); first < all; first += at_a_time * threads) {
    const auto put = [&](int k, const float_packet& value) {
      const int i = first + k * threads, r = i / units;
      if (i < all) store_packet(to + r * pitch + (i - r * units) * 4, value);
    };
    const auto load_whole = [&](int k) {
      const int i = first + k * threads, r = i / units;
      return i < all && r < rows ? load_packet(from + r * stride + (i - r * units) * 4) : float_packet{};
    };
    const auto load_parts = [&](int k) {
      const int i = first + k * threads, r = i / units, c = (i - r * units) * 4;
      float_packet value{};
      for (int l = 0; l < 4; ++l)
        if (i < all && r < rows && c + l < columns) value[l] = from[r * stride + c + l];
      return value;
    };
    if (packets)
      with_loads_in_flight<at_a_time>(load_whole, put);
    else
      with_loads_in_flight<at_a_time>(load_parts, put);
  }
}

/// attention_shape in the integers of a kernel.
struct attention_sizes {
  int queries, keys, heads, width;

  explicit attention_sizes(const attention_shape& s)
      : queries(static_cast<int>(s.queries)),
        keys(static_cast<int>(s.keys)),
        heads(static_cast<int>(s.heads)),
        width(static_cast<int>(s.width)) {}
};

/// rows = transform(left first^T), out = rows second: with (q, k, v) and the softmax this is attention; with (gy, v, k)
/// and the softmax's derivative it is the gradient of the queries. Streamed: scores are in global memory, and all that
/// is in shared memory are tiles, whatever the numbers of keys and channels.
template <int PerWarp, bool Backward, bool Streamed = false>
struct attention_rows {
  static constexpr int threads = attention_block::threads;
  static constexpr int tile = attention_block::groups * PerWarp;  ///< queries of a block

  attention_sizes s;
  float scale;
  bool packets;         ///< all rows lie on 16-byte boundaries
  bool weight_packets;  ///< so do the rows of probabilities and score gradients
  int first_unit;       ///< of this launch; a unit is a head of a sample
  strided_rows<const float> left, first, second;
  float* probabilities;
  float* score_gradients;  ///< [units of this launch, queries, keys]; backward only
  strided_rows<float> out;

  [[nodiscard]] int tiles() const { return (s.queries + tile - 1) / tile; }
  [[nodiscard]] static std::size_t shared_bytes_of(index_t keys, index_t width) {
    const auto whole = [](index_t n) { return static_cast<std::size_t>((n + 3) / 4 * 4); };
    const std::size_t own = Streamed ? attention_block::tile : whole(keys) + whole(width);
    return sizeof(float) * (tile * own + attention_block::tile * attention_block::pitch);
  }
  [[nodiscard]] std::size_t shared_bytes() const { return shared_bytes_of(s.keys, s.width); }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    constexpr int step = attention_block::tile, pitch = attention_block::pitch;
    const int score_pitch = Streamed ? s.keys : whole_packets(s.keys);
    const int own_pitch = Streamed ? step : whole_packets(s.width);
    float* scores = Streamed ? nullptr : block.template shared<float>(tile * score_pitch);
    float* own = block.template shared<float>(tile * own_pitch);  // rows of `left`, then, if streamed, of the scores
    float* staged = block.template shared<float>(step * pitch);

    const int tiles_of_unit = (s.queries + tile - 1) / tile, index = static_cast<int>(block.index());
    const int local = index / tiles_of_unit, unit = first_unit + local;
    const int first_query = index % tiles_of_unit * tile;
    const int count = s.queries - first_query < tile ? s.queries - first_query : tile;
    const int n = unit / s.heads, column_of_head = unit % s.heads * s.width;
    float* const p = probabilities + (index_t{unit} * s.queries + first_query) * s.keys;
    float* const kept = Backward ? score_gradients + (index_t{local} * s.queries + first_query) * s.keys : p;
    if constexpr (Streamed) scores = kept;

    const int lane = block.thread() % warp_size, warp = block.thread() / warp_size;
    const int row = warp / 2 * PerWarp, column = warp % 2 * warp_size + lane;  // of what this thread adds up

    const float* own_rows = left.data + (index_t{n} * s.queries + first_query) * left.stride + column_of_head;
    if constexpr (!Streamed) stage_rows(block, tile, own_rows, left.stride, count, s.width, packets, own, own_pitch);
    for (int key = 0; key < s.keys; key += step) {
      float sum[PerWarp] = {};
      for (int c = 0; c < s.width; c += step) {
        const int depth = s.width - c < step ? s.width - c : step;
        block.sync();
        if constexpr (Streamed)
          stage_rows(block, tile, own_rows + c, left.stride, count, depth, packets, own, own_pitch);
        stage_rows(block, step, first.data + (index_t{n} * s.keys + key) * first.stride + column_of_head + c,
                   first.stride, s.keys - key, depth, packets, staged, pitch);
        block.sync();
        if (key + column - lane >= s.keys) continue;
        for (int d = 0; d < depth; d += 4) {
          const float_packet b = load_packet(staged + column * pitch + d);
          for (int r = 0; r < PerWarp; ++r) {
            const float_packet a = load_packet(own + (row + r) * own_pitch + (Streamed ? 0 : c) + d);
            sum[r] = std::fma(a[3], b[3], std::fma(a[2], b[2], std::fma(a[1], b[1], std::fma(a[0], b[0], sum[r]))));
          }
        }
      }
      if (key + column < s.keys)
        for (int r = 0; r < PerWarp; ++r)
          if (!Streamed || row + r < count) scores[index_t{row + r} * score_pitch + key + column] = sum[r];
    }
    block.sync();

    for (int r = warp; r < tile; r += attention_block::warps) {
      const bool real = r < count;
      float* values = scores + index_t{r} * score_pitch;
      if constexpr (Backward)
        differentiate_softmax(block, real, p + index_t{r} * s.keys, values, kept + index_t{r} * s.keys);
      else
        softmax(block, real, values, kept + index_t{r} * s.keys);
      for (int j = s.keys + lane; j < score_pitch; j += warp_size) values[j] = 0.0f;
    }

    for (int c = 0; c < s.width; c += step) {
      const int columns = s.width - c < step ? s.width - c : step;
      float sum[PerWarp] = {};
      for (int key = 0; key < s.keys; key += step) {
        const int depth = s.keys - key < step ? s.keys - key : step;
        block.sync();
        if constexpr (Streamed)
          stage_rows(block, tile, scores + key, s.keys, count, depth, weight_packets, own, own_pitch);
        stage_rows(block, step, second.data + (index_t{n} * s.keys + key) * second.stride + column_of_head + c,
                   second.stride, depth, columns, packets, staged, pitch);
        block.sync();
        if (column - lane >= columns) continue;
        for (int d = 0; d < depth; d += 4) {
          float b[4];
          for (int l = 0; l < 4; ++l) b[l] = staged[(d + l) * pitch + column];
          for (int r = 0; r < PerWarp; ++r) {
            const float_packet a =
                load_packet(Streamed ? own + (row + r) * own_pitch + d : scores + (row + r) * score_pitch + key + d);
            sum[r] = std::fma(a[3], b[3], std::fma(a[2], b[2], std::fma(a[1], b[1], std::fma(a[0], b[0], sum[r]))));
          }
        }
      }
      if (column < columns)
        for (int r = 0; r < PerWarp; ++r)
          if (row + r < count)
            out.data[(index_t{n} * s.queries + first_query + row + r) * out.stride + column_of_head + c + column] =
                sum[r];
    }
  }

 private:
  /// A warp's work on one row of scores; the probabilities go to shared and to global memory.
  template <class Block>
  FEWSTEP_HD void softmax(Block& block, bool real, float* values, float* kept) const {
    const int lane = block.thread() % warp_size;
    float largest = -infinity, sum = 0;
    for (int j = lane; real && j < s.keys; j += warp_size) largest = values[j] > largest ? values[j] : largest;
    largest = block.warp_max(largest);
    for (int j = lane; real && j < s.keys; j += warp_size) {
      values[j] = exp_float(scale * (values[j] - largest));
      sum += values[j];
    }
    const float inverse = 1.0f / block.warp_sum(sum);
    for (int j = lane; real && j < s.keys; j += warp_size) {
      values[j] *= inverse;
      kept[j] = values[j];
    }
  }
  template <class Block>
  FEWSTEP_HD void differentiate_softmax(Block& block, bool real, const float* p, float* values, float* kept) const {
    const int lane = block.thread() % warp_size;
    float mean = 0;
    for (int j = lane; real && j < s.keys; j += warp_size) mean = std::fma(p[j], values[j], mean);
    mean = block.warp_sum(mean);
    for (int j = lane; real && j < s.keys; j += warp_size) {
      values[j] = scale * p[j] * (values[j] - mean);
      kept[j] = values[j];
    }
  }
};

/// gv = probabilities^T gy and gk = score_gradients^T q: a block has 32 keys and 64 columns of one of them.
struct attention_keys {
  static constexpr int threads = attention_block::threads;
  static constexpr int per_warp = 8, tile = attention_block::groups * per_warp;

  attention_sizes s;
  bool packets, weight_packets;
  int first_unit;
  const float *probabilities, *score_gradients;
  strided_rows<const float> gy, q;
  strided_rows<float> gv, gk;

  [[nodiscard]] FEWSTEP_HD int key_tiles() const { return (s.keys + tile - 1) / tile; }
  [[nodiscard]] FEWSTEP_HD int column_tiles() const {
    return (s.width + attention_block::tile - 1) / attention_block::tile;
  }
  [[nodiscard]] index_t blocks_of_unit() const { return index_t{2} * key_tiles() * column_tiles(); }
  [[nodiscard]] std::size_t shared_bytes() const {
    return sizeof(float) * attention_block::tile * (tile + attention_block::pitch);
  }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    constexpr int step = attention_block::tile, pitch = attention_block::pitch;
    float* weights = block.template shared<float>(step * tile);
    float* staged = block.template shared<float>(step * pitch);

    const int index = static_cast<int>(block.index()), tiles = key_tiles() * column_tiles();
    const int local = index / tiles / 2, unit = first_unit + local, tile_of_matrix = index % tiles;
    const bool of_keys = index / tiles % 2 == 1;
    const int key = tile_of_matrix / column_tiles() * tile, c = tile_of_matrix % column_tiles() * step;
    const int columns = s.width - c < step ? s.width - c : step, own_keys = s.keys - key < tile ? s.keys - key : tile;
    const index_t n = unit / s.heads, column_of_head = unit % s.heads * s.width;
    const index_t matrix = static_cast<index_t>(s.queries) * s.keys;
    const float* weight = (of_keys ? score_gradients + local * matrix : probabilities + unit * matrix) + key;
    const strided_rows<const float> rows = of_keys ? q : gy;
    const strided_rows<float> out = of_keys ? gk : gv;
    const float* from = rows.data + n * s.queries * rows.stride + column_of_head + c;

    const int lane = block.thread() % warp_size, warp = block.thread() / warp_size;
    const int row = warp / 2 * per_warp, column = warp % 2 * warp_size + lane;
    float sum[per_warp] = {};
    for (int query = 0; query < s.queries; query += step) {
      const int depth = s.queries - query < step ? s.queries - query : step;
      block.sync();
      stage_rows(block, depth, weight + static_cast<index_t>(query) * s.keys, s.keys, depth, own_keys, weight_packets,
                 weights, tile);
      stage_rows(block, depth, from + query * rows.stride, rows.stride, depth, columns, packets, staged, pitch);
      block.sync();
      if (column - lane >= columns || row >= own_keys) continue;
      for (int d = 0; d < depth; ++d) {
        const float b = staged[d * pitch + column];
        for (int r = 0; r < per_warp; r += 4) {
          const float_packet a = load_packet(weights + d * tile + row + r);
          sum[r] = std::fma(a[0], b, sum[r]);
          sum[r + 1] = std::fma(a[1], b, sum[r + 1]);
          sum[r + 2] = std::fma(a[2], b, sum[r + 2]);
          sum[r + 3] = std::fma(a[3], b, sum[r + 3]);
        }
      }
    }
    if (column >= columns) return;
    for (int r = 0; r < per_warp; ++r)
      if (row + r < own_keys)
        out.data[(n * s.keys + key + row + r) * out.stride + column_of_head + c + column] = sum[r];
  }
};

}  // namespace fewstep::detail

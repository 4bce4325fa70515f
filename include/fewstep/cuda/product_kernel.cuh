// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/product_operand.cuh>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

/// The kernel of every product and convolution in float32: c[m, n] = left[m, k] right[k, n], where left and right are
/// operands that say how four neighbouring elements are loaded, from an array or from the pixels under a filter.
///
/// A block computes one tile of c. Its operands pass through shared memory in slices of `tile_depth`: while one slice
/// is multiplied, the next is on its way in registers. Each thread keeps a few rows and columns of sums in registers.
///
/// Exactness by construction: each element of c is one chain of fmaf over the depth, ascending from 0, then + bias,
/// then + what is added. So its bits do not depend on the tile, on m, or on its place, and the tile may be chosen by
/// speed alone.

namespace fewstep::detail {

/// How the depth of a product is cut into chunks with a partial result each: units of whole pictures or rows, each in
/// `parts` of `length`.
struct depth_chunks {
  int depth, unit, parts, length, count;

  [[nodiscard]] FEWSTEP_HD int begin(int chunk) const { return chunk / parts * unit + chunk % parts * length; }
  [[nodiscard]] FEWSTEP_HD int end(int chunk) const {
    const int of_unit = (chunk / parts + 1) * unit, own = begin(chunk) + length;
    const int least = own < of_unit ? own : of_unit;
    return least < depth ? least : depth;
  }
};

[[nodiscard]] inline depth_chunks undivided(int depth) { return {depth, depth, 1, depth, 1}; }

/// Chunks of about `length`, that never reach into two units unless they hold whole ones.
[[nodiscard]] inline depth_chunks chunks_of(int depth, int length, int unit) {
  const auto quotient = [](int a, int b) { return (a + b - 1) / b; };
  if (unit > length) {
    length = quotient(unit, quotient(unit, length));
    const int parts = quotient(unit, length);  // none of them empty
    return {depth, unit, parts, length, depth / unit * parts};
  }
  length = length / unit * unit;
  return {depth, length, 1, length, quotient(depth, length)};
}

/// Where sums go: c = sum + bias + added, either of which may be null; `added` is laid out as c and may be c.
struct product_result {
  float* c;
  const float* added;
  const float* bias;
  int stride;  ///< leading dimension
  batch_stride batch;
  index_t chunk_stride;  ///< between partial results
  int rows, columns;
  bool quads;  ///< all rows of all arrays begin on a boundary of 16 bytes

  FEWSTEP_HD void store(index_t offset, int row, int column, const float* sums) const {
    if (row >= rows || column >= columns) return;
    const int count = columns - column;
    const index_t at = offset + static_cast<index_t>(row) * stride + column;
    float4 sum{sums[0], sums[1], sums[2], sums[3]};
    if (bias != nullptr) add(sum, load_quad(bias + column, count, quads));
    if (added != nullptr) add(sum, load_quad(added + at, count, quads));
    if (quads && count >= 4) {
      *reinterpret_cast<float4*>(c + at) = sum;
      return;
    }
    c[at] = sum.x;
    if (count > 1) c[at + 1] = sum.y;
    if (count > 2) c[at + 2] = sum.z;
    if (count > 3) c[at + 3] = sum.w;
  }

 private:
  FEWSTEP_HD static void add(float4& a, const float4& b) {
    a.x += b.x;
    a.y += b.y;
    a.z += b.z;
    a.w += b.w;
  }
};

/// Across x Down threads, each with the sums of Rows x Columns elements in groups of four.
template <int Across, int Down, int Rows, int Columns>
struct product_tile {
  static constexpr int across = Across, down = Down, rows_each = Rows, columns_each = Columns;
  static constexpr int threads = Across * Down, rows = Down * Rows, columns = Across * Columns;
  static_assert(Rows % 4 == 0 && Columns % 4 == 0);
};

using wide_tile = product_tile<16, 16, 8, 4>;    ///< 128 x 64
using medium_tile = product_tile<12, 16, 8, 4>;  ///< 128 x 48
using small_tile = product_tile<8, 16, 4, 4>;    ///< 64 x 32
using narrow_tile = product_tile<4, 32, 4, 4>;   ///< 128 x 16

template <class Tile, class Left, class Right>
struct product_kernel {
  static constexpr int threads = Tile::threads, resident_blocks = 512 / threads;  // up to 128 registers a thread
  using left_slices = operand_slices<Left, Tile::rows, threads>;
  using right_slices = operand_slices<Right, Tile::columns, threads>;
  static constexpr int left_slice = tile_depth * left_slices::row, right_slice = tile_depth * right_slices::row;

  Left left;
  Right right;
  product_result result;
  depth_chunks chunks;
  int tiles_down, tiles_across;

  [[nodiscard]] std::size_t shared_bytes() const { return 2 * (left_slice + right_slice) * sizeof(float); }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    // Neighbouring blocks share the rows of the left operand, which is the larger one.
    int index = static_cast<int>(block.index());
    const int column = index % tiles_across * Tile::columns;
    index /= tiles_across;
    const int row = index % tiles_down * Tile::rows;
    index /= tiles_down;
    const int chunk = index % chunks.count, batch = index / chunks.count;

    float* a = block.template shared<float>(2 * left_slice);
    float* b = block.template shared<float>(2 * right_slice);
    const int thread = block.thread(), end = chunks.end(chunk);
    left_slices of_left;
    right_slices of_right;
    of_left.start(left, batch, row, thread);
    of_right.start(right, batch, column, thread);

    float sums[Tile::rows_each][Tile::columns_each] = {};
    int k = chunks.begin(chunk);
    of_left.fetch(left, k, end, thread);
    of_right.fetch(right, k, end, thread);
    of_left.put(a, thread);
    of_right.put(b, thread);
    block.sync();
    const int x = thread % Tile::across * 4, y = thread / Tile::across * 4;
    for (int current = 0; k < end; current ^= 1) {
      k += tile_depth;
      if (k < end) {
        of_left.fetch(left, k, end, thread);
        of_right.fetch(right, k, end, thread);
      }
      multiply(a + current * left_slice + y, b + current * right_slice + x, sums,
               std::make_integer_sequence<int, tile_depth>{});
      if (k < end) {
        of_left.put(a + (current ^ 1) * left_slice, thread);
        of_right.put(b + (current ^ 1) * right_slice, thread);
        block.sync();
      }
    }

    const index_t offset = result.batch(batch) + chunk * result.chunk_stride;
    for (int i = 0; i < Tile::rows_each; ++i)
      for (int j = 0; j < Tile::columns_each; j += 4)
        result.store(offset, row + i / 4 * (4 * Tile::down) + y + i % 4, column + j * Tile::across + x, &sums[i][j]);
  }

 private:
  using thread_sums = float[Tile::rows_each][Tile::columns_each];

  /// A fold and not a loop, which the compiler would not unroll as a whole.
  template <int... K>
  FEWSTEP_HD static void multiply(const float* a, const float* b, thread_sums& sums, std::integer_sequence<int, K...>) {
    (multiply(a + K * left_slices::row, b + K * right_slices::row, sums), ...);
  }
  FEWSTEP_HD static void multiply(const float* a, const float* b, thread_sums& sums) {
    float of_row[Tile::rows_each], of_column[Tile::columns_each];
    read<Tile::rows_each, 4 * Tile::down>(a, of_row);
    read<Tile::columns_each, 4 * Tile::across>(b, of_column);
    for (int i = 0; i < Tile::rows_each; ++i)
      for (int j = 0; j < Tile::columns_each; ++j) sums[i][j] = fmaf(of_row[i], of_column[j], sums[i][j]);
  }
  template <int Count, int Step>
  FEWSTEP_HD static void read(const float* from, float (&to)[Count]) {
    for (int i = 0; i < Count; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + i / 4 * Step);
      to[i] = four.x;
      to[i + 1] = four.y;
      to[i + 2] = four.z;
      to[i + 3] = four.w;
    }
  }
};

/// Runs one product, or one of each batch, with the given tile.
template <class Tile, class Device, class Left, class Right>
void launch_product(device_executor<Device>& executor, const Left& left, const Right& right,
                    const product_result& result, const depth_chunks& chunks, index_t batches) {
  const int down = (result.rows + Tile::rows - 1) / Tile::rows;
  const int across = (result.columns + Tile::columns - 1) / Tile::columns;
  executor.launch(batches * chunks.count * down * across,
                  product_kernel<Tile, Left, Right>{left, right, result, chunks, down, across});
}

/// The same with a tile that fits the shape and leaves no multiprocessor idle.
template <class Device, class Left, class Right>
void run_product(device_executor<Device>& executor, const Left& left, const Right& right, const product_result& result,
                 const depth_chunks& chunks, index_t batches = 1) {
  const auto blocks = [](index_t n, index_t of) { return (n + of - 1) / of; };
  const index_t n = result.columns, slices = batches * chunks.count;
  const index_t wide = blocks(n, wide_tile::columns), medium = blocks(n, medium_tile::columns);
  const index_t busy = 2 * executor.device().multiprocessors();
  if (n <= narrow_tile::columns)
    launch_product<narrow_tile>(executor, left, right, result, chunks, batches);
  else if (n <= small_tile::columns || blocks(result.rows, wide_tile::rows) * wide * slices < busy)
    launch_product<small_tile>(executor, left, right, result, chunks, batches);
  else if (medium * medium_tile::columns < wide * wide_tile::columns)
    launch_product<medium_tile>(executor, left, right, result, chunks, batches);
  else
    launch_product<wide_tile>(executor, left, right, result, chunks, batches);
}

}  // namespace fewstep::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <cuda_runtime_api.h>

#include <cstdint>

/// The operands of the product kernel, and how slices of them pass through shared memory.

namespace fewstep::detail {

inline constexpr int tile_depth = 16;

/// Extents and indices within one picture are 32-bit in the kernels; there is room for a tile beyond the edge.
inline constexpr index_t largest_extent = index_t{1} << 30;

[[nodiscard]] inline int kernel_extent(index_t n, const char* what) {
  expects(n >= 0 && n <= largest_extent, [&] {
    return message("CUDA product: ", what, " is ", n, "; its kernels take up to ", largest_extent, ": split the batch");
  });
  return static_cast<int>(n);
}

[[nodiscard]] inline bool aligned_to_quads(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % sizeof(float4) == 0;
}

/// from[0], ... from[3], zero from `count` on; `aligned` says that four at once may be loaded.
[[nodiscard]] FEWSTEP_HD inline float4 load_quad(const float* from, int count, bool aligned) {
  if (aligned && count >= 4) return *reinterpret_cast<const float4*>(from);
  return {count > 0 ? from[0] : 0.0f, count > 1 ? from[1] : 0.0f, count > 2 ? from[2] : 0.0f,
          count > 3 ? from[3] : 0.0f};
}

/// Where the operands of a batch of products begin: head h of batch i at i * stride + h * head.
struct batch_stride {
  index_t stride = 0, head = 0;
  int heads = 1;

  [[nodiscard]] FEWSTEP_HD index_t operator()(int index) const { return index / heads * stride + index % heads * head; }
};

/// An array as an operand. Its lines are the rows of the left or the columns of the right operand. AlongDepth says
/// what lies side by side in memory: data[line, depth] if true, data[depth, line] if not.
///
/// Any operand has such a place, what a thread keeps of a line (or of four of them), and load(place, k, end): elements
/// k .. k + 3 of a line along the depth, or else element k of four lines, with zeros beyond the lines and `end`.
template <bool AlongDepth>
struct array_operand {
  static constexpr bool along_depth = AlongDepth;

  const float* data;
  int stride;  ///< leading dimension
  batch_stride batch;
  int lines;
  bool quads;  ///< all rows begin on a boundary of 16 bytes

  struct place {
    const float* start;
    int left;
  };

  [[nodiscard]] FEWSTEP_HD place at(int index, int line) const {
    const float* start = data + batch(index);
    return {AlongDepth ? start + static_cast<index_t>(line) * stride : start + line, lines - line};
  }
  [[nodiscard]] FEWSTEP_HD float4 load(const place& p, int k, int end) const {
    if constexpr (AlongDepth)
      return load_quad(p.start + k, p.left > 0 ? end - k : 0, quads);
    else
      return load_quad(p.start + static_cast<index_t>(k) * stride, k < end ? p.left : 0, quads);
  }
};

/// One thread's share in carrying slices of an operand from memory to shared memory, which holds them as
/// [tile_depth, Width + 4]. (The padding spreads the elements of a line over the banks.)
template <class Operand, int Width, int Threads>
struct operand_slices {
  static constexpr bool along_depth = Operand::along_depth;
  static constexpr int row = Width + 4;
  static constexpr int neighbours = (along_depth ? tile_depth : Width) / 4;  ///< threads side by side in memory
  static constexpr int step = Threads / neighbours;
  static constexpr int extent = along_depth ? Width : tile_depth;
  static constexpr int quads = (extent + step - 1) / step;
  static_assert(Threads % neighbours == 0);

  typename Operand::place places[along_depth ? quads : 1];
  float4 held[quads] = {};

  FEWSTEP_HD static int side(int thread) { return thread % neighbours * 4; }
  FEWSTEP_HD static int across(int thread, int q) { return thread / neighbours + q * step; }
  FEWSTEP_HD static bool has(int thread, int q) { return extent % step == 0 || across(thread, q) < extent; }

  FEWSTEP_HD void start(const Operand& operand, int batch, int first, int thread) {
    if constexpr (along_depth) {
      for (int q = 0; q < quads; ++q) places[q] = operand.at(batch, first + across(thread, q));
    } else {
      places[0] = operand.at(batch, first + side(thread));
    }
  }
  FEWSTEP_HD void fetch(const Operand& operand, int k, int end, int thread) {
    for (int q = 0; q < quads; ++q) {
      if (!has(thread, q)) continue;
      if constexpr (along_depth)
        held[q] = operand.load(places[q], k + side(thread), end);
      else
        held[q] = operand.load(places[0], k + across(thread, q), end);
    }
  }
  FEWSTEP_HD void put(float* slice, int thread) const {
    for (int q = 0; q < quads; ++q) {
      if (!has(thread, q)) continue;
      if constexpr (along_depth) {
        float* to = slice + side(thread) * row + across(thread, q);
        to[0] = held[q].x;
        to[row] = held[q].y;
        to[2 * row] = held[q].z;
        to[3 * row] = held[q].w;
      } else {
        *reinterpret_cast<float4*>(slice + across(thread, q) * row + side(thread)) = held[q];
      }
    }
  }
};

}  // namespace fewstep::detail

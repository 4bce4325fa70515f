// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/nn/prepared_parameters.hpp>

#include <cstdint>
#include <limits>

namespace fewstep {

namespace detail {

/// Matrices that one kernel transposes. They are its argument, so that nothing has to be kept on the device.
struct matrices_to_transpose {
  static constexpr int most = 96;
  struct entry {
    index_t offset;
    std::int32_t rows, columns;  ///< of each of the slice's matrices
    std::int32_t first_tile;     ///< tiles of the slices before
  };
  entry entries[most];
  int count;
  std::int32_t tiles;
};

/// A block for each tile of 32 x 32 of every matrix.
struct transpose_matrices {
  static constexpr int threads = 256;
  static constexpr int side = 32, pitch = side + 1;  // one more column keeps the banks of shared memory apart

  matrices_to_transpose matrices;
  const float* from;
  float* to;

  [[nodiscard]] std::size_t shared_bytes() const { return sizeof(float) * side * pitch; }

  [[nodiscard]] FEWSTEP_HD static std::int32_t tiles(std::int32_t n) { return (n + side - 1) / side; }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const auto tile = static_cast<std::int32_t>(block.index());
    int which = 0;
    while (which + 1 < matrices.count && matrices.entries[which + 1].first_tile <= tile) ++which;
    const matrices_to_transpose::entry e = matrices.entries[which];
    const std::int32_t across = tiles(e.columns), of_matrix = tiles(e.rows) * across, place = tile - e.first_tile;
    const index_t start = e.offset + index_t{place / of_matrix} * e.rows * e.columns;
    const std::int32_t row = place % of_matrix / across * side, column = place % of_matrix % across * side;
    float* values = block.template shared<float>(side * pitch);
    const int lane = block.thread() % side, first = block.thread() / side;
    for (int i = first; i < side; i += threads / side)
      if (row + i < e.rows && column + lane < e.columns)
        values[i * pitch + lane] = from[start + index_t{row + i} * e.columns + column + lane];
    block.sync();
    for (int i = first; i < side; i += threads / side)
      if (column + i < e.columns && row + lane < e.rows)
        to[start + index_t{column + i} * e.rows + row + lane] = values[lane * pitch + i];
  }
};

}  // namespace detail

/// Transposes all matrices in one kernel for a hundred slices. Convolutions take their filters as they are.
template <class Device>
void prepare_parameters(device_backend<Device>& backend, const parameter_layout& layout, const parameter_forms& a) {
  if (!a.backwards) return;
  detail::transpose_matrices kernel{{}, a.parameters, a.transposed};
  detail::matrices_to_transpose& m = kernel.matrices;
  const auto launch = [&] {
    if (m.count > 0) backend.executor(0).launch(m.tiles, kernel);
    m.count = 0;
    m.tiles = 0;
  };
  for (const parameter_slice& slice : layout.slices()) {
    if (slice.kind == slice_kind::plain) continue;
    const index_t rows = slice.extents[slice.extents.size() - 2], columns = slice.extents.back();
    constexpr index_t most = index_t{1} << 24;
    expects(rows < most && columns < most && slice.size() < most * 64, [&] {
      return message("prepare_parameters: '", slice.name, "' has matrices of ", rows, " x ", columns,
                     "; both must be below ", most);
    });
    using kernel_type = detail::transpose_matrices;
    const auto r = static_cast<std::int32_t>(rows), c = static_cast<std::int32_t>(columns);
    const auto matrices = static_cast<std::int32_t>(slice.size() / (rows * columns));
    if (m.count == detail::matrices_to_transpose::most) launch();
    m.entries[m.count++] = {slice.offset, r, c, m.tiles};
    m.tiles += matrices * kernel_type::tiles(r) * kernel_type::tiles(c);
  }
  launch();
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/product_call.cuh>
#include <fewstep/cuda/product_kernel.cuh>

#include <algorithm>

/// Matrix products on a device. See product_kernel.cuh for the order of summation.

namespace fewstep {
namespace detail {

/// Whether a library of the device has done the product.
template <class Device>
[[nodiscard]] bool multiplied_by_library([[maybe_unused]] device_executor<Device>& executor,
                                         [[maybe_unused]] const product_call& call) {
  if constexpr (requires { executor.device().library(); }) {
    if (executor.uses_library(call) && executor.device().library().takes(executor.compute(), call)) {
      executor.device().library().run(executor.compute(), call);
      return true;
    }
  }
  return false;
}

/// a[lines, depth], or a[depth, lines] if not AlongDepth.
template <bool AlongDepth>
[[nodiscard]] array_operand<AlongDepth> operand_of(const float* data, index_t ld, index_t lines,
                                                   batch_stride batch = {}) {
  return {data, kernel_extent(ld, "a leading dimension"), batch, static_cast<int>(lines),
          aligned_to_quads(data) && ld % 4 == 0 && batch.stride % 4 == 0 && batch.head % 4 == 0};
}

/// c[rows, columns], with `added` (laid out as c) and `bias`, which may be null.
[[nodiscard]] inline product_result result_in(float* c, index_t ldc, index_t rows, index_t columns, const float* added,
                                              const float* bias, batch_stride batch = {}, index_t chunk_stride = 0) {
  return {c,
          added,
          bias,
          kernel_extent(ldc, "a leading dimension"),
          batch,
          chunk_stride,
          kernel_extent(rows, "the number of rows"),
          kernel_extent(columns, "the number of columns"),
          aligned_to_quads(c) && aligned_to_quads(added) && aligned_to_quads(bias) && ldc % 4 == 0 &&
              batch.stride % 4 == 0 && batch.head % 4 == 0 && chunk_stride % 4 == 0};
}

/// One product, or one of each batch and head, in one launch. An element's bits depend on its row of a, its column of b
/// and k only.
template <class Device>
void multiply(device_executor<Device>& executor, const product_call& call) {
  const index_t batches = call.batches * call.heads;
  if (call.m == 0 || call.n == 0 || batches == 0 || multiplied_by_library(executor, call)) return;
  expects(!(call.a_transposed && call.b_transposed), "CUDA product: one of the operands may be transposed, not both");
  const auto batch = [&](index_t stride, index_t head) {
    return batch_stride{stride, head, kernel_extent(call.heads, "the number of heads")};
  };
  const auto result = result_in(call.c, call.ldc, call.m, call.n, call.accumulate ? call.c : nullptr, call.bias,
                                batch(call.stride_c, call.head_c));
  const auto depth = undivided(kernel_extent(call.k, "the depth"));
  const auto with_right = [&](const auto& left) {
    const auto of_b = batch(call.stride_b, call.head_b);
    if constexpr (!left.along_depth)
      run_product(executor, left, operand_of<false>(call.b, call.ldb, call.n, of_b), result, depth, batches);
    else if (call.b_transposed)
      run_product(executor, left, operand_of<true>(call.b, call.ldb, call.n, of_b), result, depth, batches);
    else
      run_product(executor, left, operand_of<false>(call.b, call.ldb, call.n, of_b), result, depth, batches);
  };
  const auto of_a = batch(call.stride_a, call.head_a);
  if (call.a_transposed)
    with_right(operand_of<false>(call.a, call.lda, call.m, of_a));
  else
    with_right(operand_of<true>(call.a, call.lda, call.m, of_a));
}

/// totals[i] += partials[0][i], then partials[1][i], and so on.
struct add_partials {
  static constexpr int threads = 128;

  const float* partials;
  int count;
  float* totals;
  index_t n;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    constexpr int at_once = 8;  // loads in flight
    const index_t i = block.index() * threads + block.thread();
    if (i >= n) return;
    float total = totals[i];
    int chunk = 0;
    for (; chunk + at_once <= count; chunk += at_once) {
      float values[at_once];
      for (int u = 0; u < at_once; ++u) values[u] = partials[(chunk + u) * n + i];
      for (int u = 0; u < at_once; ++u) total += values[u];
    }
    for (; chunk < count; ++chunk) total += partials[chunk * n + i];
    totals[i] = total;
  }
};

/// partials[chunk][c] = sum over the rows of a chunk of g[:, c]: every eighth row in order, then the eight sums.
struct column_partials {
  static constexpr int threads = 256;
  static constexpr int columns = 32, lanes = threads / columns;

  const float* g;
  int n, tiles;
  depth_chunks chunks;
  float* partials;

  [[nodiscard]] std::size_t shared_bytes() const { return threads * sizeof(float); }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int index = static_cast<int>(block.index()), thread = block.thread();
    const int column = index % tiles * columns + thread % columns, chunk = index / tiles, end = chunks.end(chunk);
    float* sums = block.template shared<float>(threads);
    float sum = 0;
    if (column < n) {
      for (int row = chunks.begin(chunk) + thread / columns; row < end; row += lanes)
        sum += g[static_cast<index_t>(row) * n + column];
    }
    sums[thread] = sum;
    block.sync();
    if (thread >= columns || column >= n) return;
    for (int lane = 1; lane < lanes; ++lane) sum += sums[lane * columns + thread];
    partials[static_cast<index_t>(chunk) * n + column] = sum;
  }
};

template <class Device>
void add_up_partials(device_executor<Device>& executor, const float* partials, int count, float* totals, index_t n) {
  executor.launch((n + add_partials::threads - 1) / add_partials::threads, add_partials{partials, count, totals, n});
}

/// totals[columns] += the sums of the columns of g[rows, columns], chunk by chunk.
template <class Device>
void add_column_sums_in(device_executor<Device>& executor, const depth_chunks& chunks, const float* g, index_t columns,
                        float* totals) {
  float* partials = executor.template scratch<float>(device_executor<Device>::partials, chunks.count * columns);
  const int n = kernel_extent(columns, "the number of columns");
  const int tiles = (n + column_partials::columns - 1) / column_partials::columns;
  executor.launch(static_cast<index_t>(chunks.count) * tiles, column_partials{g, n, tiles, chunks, partials});
  add_up_partials(executor, partials, chunks.count, totals, columns);
}

/// totals[rows, columns] += left right, chunk by chunk of the depth: the gradient of a weight.
template <class Device, class Left, class Right>
void add_product_in(device_executor<Device>& executor, const depth_chunks& chunks, const Left& left, const Right& right,
                    index_t rows, index_t columns, float* totals) {
  if (chunks.count == 1)  // the same sums
    return run_product(executor, left, right, result_in(totals, columns, rows, columns, totals, nullptr), chunks);
  const index_t n = rows * columns;
  float* partials = executor.template scratch<float>(device_executor<Device>::partials, chunks.count * n);
  run_product(executor, left, right, result_in(partials, columns, rows, columns, nullptr, nullptr, {}, n), chunks);
  add_up_partials(executor, partials, chunks.count, totals, n);
}

/// Whether a library has done what add_product_in does, for the arrays x[depth, rows] (transposed) and
/// g[depth, columns]. In float32 the own kernels are as good.
template <class Device>
[[nodiscard]] bool added_by_library([[maybe_unused]] device_executor<Device>& executor,
                                    [[maybe_unused]] const depth_chunks& chunks, [[maybe_unused]] const float* x,
                                    [[maybe_unused]] index_t rows, [[maybe_unused]] const float* g,
                                    [[maybe_unused]] index_t columns, [[maybe_unused]] float* totals) {
  if constexpr (requires { executor.device().library(); }) {
    const index_t n = rows * columns, units = chunks.depth / chunks.unit;
    const product_call one{.m = rows,
                           .k = chunks.length,
                           .n = columns,
                           .a = x,
                           .lda = rows,
                           .a_transposed = true,
                           .b = g,
                           .ldb = columns,
                           .c = totals,
                           .ldc = columns};
    product_call many = one;
    many.batches = units;
    many.stride_a = chunks.unit * rows;
    many.stride_b = chunks.unit * columns;
    many.stride_c = chunks.parts * n;
    auto& library = executor.device().library();
    // Both are asked for, so that the answer does not depend on the number of rows.
    if (executor.compute() == compute_type::float32 || !executor.uses_library(many) ||
        !library.takes(executor.compute(), many) || !library.takes(executor.compute(), one))
      return false;
    float* partials = executor.template scratch<float>(device_executor<Device>::partials, chunks.count * n);
    const auto multiply_chunk = [&](product_call call, int chunk) {
      call.k = chunks.end(chunk) - chunks.begin(chunk);
      call.a = x + chunks.begin(chunk) * rows;
      call.b = g + chunks.begin(chunk) * columns;
      call.c = partials + chunk * n;
      library.run(executor.compute(), call);
    };
    if (units > 0)  // the chunks of all units that have the same place in one
      for (int part = 0; part < chunks.parts; ++part) multiply_chunk(many, part);
    if (chunks.count > units * chunks.parts) multiply_chunk(one, chunks.count - 1);  // the rest, of any length
    add_up_partials(executor, partials, chunks.count, totals, n);
    return true;
  }
  return false;
}

/// totals[rows, columns] += x[depth, rows]^T g[depth, columns], chunk by chunk.
template <class Device>
void add_matrix_product_in(device_executor<Device>& executor, const depth_chunks& chunks, const float* x, index_t rows,
                           const float* g, index_t columns, float* totals) {
  if (!added_by_library(executor, chunks, x, rows, g, columns, totals))
    add_product_in(executor, chunks, operand_of<false>(x, rows, rows), operand_of<false>(g, columns, columns), rows,
                   columns, totals);
}

/// Into how many rows the sum of a gradient[rows, columns] over a batch is cut. It depends on the layer only. A small
/// gradient needs many chunks to keep a GPU busy; a large one has many tiles, and its partial results weigh more.
[[nodiscard]] inline int gradient_chunk(index_t rows, index_t columns) {
  const index_t tiles =
      ((rows + wide_tile::rows - 1) / wide_tile::rows) * ((columns + wide_tile::columns - 1) / wide_tile::columns);
  return 512 * static_cast<int>(std::clamp<index_t>(tiles / 4, 1, 8));
}

}  // namespace detail

/// y[M,N] = x[M,K] w[K,N], plus the row `bias` if given; with `accumulate` it is added to y.
template <class Device>
void product(device_executor<Device>& executor, matrix<const float> x, matrix<const float> w, matrix<float> y,
             bool accumulate = false, const float* bias = nullptr) {
  detail::multiply(executor, {.m = x.rows(),
                              .k = x.cols(),
                              .n = w.cols(),
                              .a = x.data,
                              .lda = x.cols(),
                              .b = w.data,
                              .ldb = w.cols(),
                              .c = y.data,
                              .ldc = y.cols(),
                              .accumulate = accumulate,
                              .bias = bias});
}

/// y[M,K] = x[M,N] w[K,N]^T; with `accumulate` it is added to y.
template <class Device>
void product_nt(device_executor<Device>& executor, matrix<const float> x, matrix<const float> w, matrix<float> y,
                bool accumulate = false) {
  detail::multiply(executor, {.m = x.rows(),
                              .k = x.cols(),
                              .n = w.rows(),
                              .a = x.data,
                              .lda = x.cols(),
                              .b = w.data,
                              .ldb = w.cols(),
                              .b_transposed = true,
                              .c = y.data,
                              .ldc = y.cols(),
                              .accumulate = accumulate});
}

/// w[K,N] += x[M,K]^T g[M,N], in chunks of rows that the shape of w decides, in order.
template <class Device>
void product_tn_add(device_executor<Device>& executor, matrix<const float> x, matrix<const float> g, matrix<float> w) {
  const index_t m = x.rows(), k = x.cols(), n = g.cols();
  if (m == 0 || k == 0 || n == 0) return;
  const auto chunks =
      detail::chunks_of(detail::kernel_extent(m, "the number of rows"), detail::gradient_chunk(k, n), 1);
  detail::add_matrix_product_in(executor, chunks, x.data, k, g.data, n, w.data);
}

/// sums[c] += sum over rows of g[:,c], in chunks of rows, in order.
template <class Device>
void add_column_sums(device_executor<Device>& executor, matrix<const float> g, vec<float> sums) {
  if (g.rows() == 0 || g.cols() == 0) return;
  detail::add_column_sums_in(executor, detail::chunks_of(detail::kernel_extent(g.rows(), "the number of rows"), 512, 1),
                             g.data, g.cols(), sums.data);
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/view.hpp>
#include <fewstep/cuda/product_call.cuh>

#include <compare>
#include <cstdint>

/// Row-major products as a library of column-major ones is told of them.

namespace fewstep::detail {

/// c[m, n] = op(a)[m, k] op(b)[k, n] of column-major matrices, for each of a batch: all about a product but its arrays.
/// A leading dimension leads from one column to the next; a transposed a is stored as [k, m], a transposed b as [n, k].
struct column_major_shape {
  index_t m = 0, n = 0, k = 0;
  bool a_transposed = false, b_transposed = false;
  index_t lda = 0, ldb = 0, ldc = 0;
  index_t batches = 1, stride_a = 0, stride_b = 0, stride_c = 0;
  bool accumulate = false, bias = false;
  int alignment_a = 0, alignment_b = 0, alignment_c = 0, alignment_bias = 0;  ///< in bytes

  friend auto operator<=>(const column_major_shape&, const column_major_shape&) = default;
  friend bool operator==(const column_major_shape&, const column_major_shape&) = default;

  [[nodiscard]] bool batched() const { return batches > 1 || stride_c != 0; }
};

/// A product as the library is told of it; `bias` has m elements, one for each row.
struct column_major_product {
  column_major_shape shape;
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  const float* bias = nullptr;
};

/// The largest power of two up to 16 that divides all the byte distances of an array from an address of 0: of its
/// start, and from there along its leading dimension and strides. All rows have it in common, wherever they lie.
template <class... Steps>
[[nodiscard]] int common_alignment(const float* start, Steps... steps) {
  const auto bits = reinterpret_cast<std::uintptr_t>(start) |
                    (std::uintptr_t{0} | ... | (static_cast<std::uintptr_t>(steps) * sizeof(float)));
  int alignment = 16;
  while (bits % static_cast<unsigned>(alignment) != 0) alignment /= 2;
  return alignment;
}

/// The product of one head. A row-major matrix is its transpose in column-major, so c^T = b^T a^T is computed: the
/// library's a is b.
[[nodiscard]] inline column_major_product column_major(const product_call& p, index_t head = 0) {
  column_major_product q;
  q.a = p.b + head * p.head_b;
  q.b = p.a + head * p.head_a;
  q.c = p.c + head * p.head_c;
  q.bias = p.bias;
  q.shape = {.m = p.n,
             .n = p.m,
             .k = p.k,
             .a_transposed = p.b_transposed,
             .b_transposed = p.a_transposed,
             .lda = p.ldb,
             .ldb = p.lda,
             .ldc = p.ldc,
             .batches = p.batches,
             .stride_a = p.stride_b,
             .stride_b = p.stride_a,
             .stride_c = p.stride_c,
             .accumulate = p.accumulate,
             .bias = p.bias != nullptr,
             .alignment_a = common_alignment(p.b, p.ldb, p.stride_b, p.head_b),
             .alignment_b = common_alignment(p.a, p.lda, p.stride_a, p.head_a),
             .alignment_c = common_alignment(p.c, p.ldc, p.stride_c, p.head_c),
             .alignment_bias = common_alignment(p.bias)};
  return q;
}

/// The shape for which an algorithm is chosen: what grows with the number of rows is set to a large number. That is n,
/// the rows themselves; or k where rows are summed over (a gradient); or the number of products where there are many
/// (attention), whose other extents belong to one sample.
[[nodiscard]] inline column_major_shape canonical(column_major_shape shape) {
  constexpr index_t many_rows = 8192, many_products = 64;
  if (shape.batched())
    shape.batches = many_products;
  else if (shape.b_transposed)
    shape.k = many_rows;
  else
    shape.n = many_rows;
  return shape;
}

}  // namespace fewstep::detail

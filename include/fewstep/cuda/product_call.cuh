// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/view.hpp>

namespace fewstep::detail {

/// c[m, n] = a[m, k] b[k, n], plus the row `bias` if given, plus what c held if `accumulate`, for each batch and head:
/// the operands of head h of batch i begin at a + i * stride_a + h * head_a, and so on. All arrays are row-major with
/// leading dimensions lda, ldb, ldc; a transposed operand is stored as a[k, m] or b[n, k]. Results do not overlap.
struct product_call {
  index_t m = 0, k = 0, n = 0;
  const float* a = nullptr;
  index_t lda = 0;
  bool a_transposed = false;
  const float* b = nullptr;
  index_t ldb = 0;
  bool b_transposed = false;
  float* c = nullptr;
  index_t ldc = 0;
  bool accumulate = false;
  const float* bias = nullptr;
  index_t batches = 1, stride_a = 0, stride_b = 0, stride_c = 0;
  index_t heads = 1, head_a = 0, head_b = 0, head_c = 0;  ///< within a batch, as attention interleaves them
};

}  // namespace fewstep::detail

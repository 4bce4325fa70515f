// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/cuda/check.cuh>
#include <fewstep/cuda/column_major.cuh>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/product_call.cuh>

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <compare>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

/// Products by cuBLASLt, float32 in memory in every compute type.
///
/// The library chooses among many algorithms, by the whole shape, and they differ in the order of their sums. Left to
/// itself it would give a row other bits in another batch. So an algorithm is chosen once for all numbers of rows: for
/// a large number of them, without workspace and without splitting a sum among blocks. Every product of that shape per
/// row then runs by it. What one algorithm does with one row of a tile does not depend on the others; tests that need a
/// GPU (tests/cuda/cublas.cu) look at it.

namespace fewstep::detail {

/// As check_cuda, for the statuses of cuBLASLt.
inline void check_cublas(cublasStatus_t status, std::string_view call,
                         const std::source_location& where = std::source_location::current()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string_view path = where.file_name();
  throw std::runtime_error(message("cuBLASLt: ", call, " failed: ", cublasLtGetStatusString(status), " (",
                                   cublasLtGetStatusName(status), ") [", path.substr(path.rfind('/') + 1), ":",
                                   where.line(), "]"));
}

/// The products of one stream. Descriptors and algorithms are kept by shape, so that a shape's later products allocate
/// nothing; its first one cannot be recorded.
class cublas_products {
 public:
  explicit cublas_products(cudaStream_t stream) : stream_(stream) {}
  cublas_products(const cublas_products&) = delete;
  cublas_products& operator=(const cublas_products&) = delete;
  ~cublas_products() {
    if (handle_ != nullptr) (void)cublasLtDestroy(handle_);
  }

  /// Whether there is an algorithm for products of this shape, whatever the number of rows.
  [[nodiscard]] bool takes(compute_type compute, const product_call& call) {
    return algorithm_for({compute, canonical(column_major(call).shape)}, call.bias) != nullptr;
  }

  /// A product that takes() says yes to.
  void run(compute_type compute, const product_call& call) {
    for (index_t head = 0; head < call.heads; ++head) run(compute, column_major(call, head));
  }

 private:
  struct key {
    compute_type compute;
    column_major_shape shape;
    friend auto operator<=>(const key&, const key&) = default;
    friend bool operator==(const key&, const key&) = default;
  };
  /// How a product is described to the library. It holds no resources.
  struct description {
    cublasLtMatmulDescOpaque_t operation;
    cublasLtMatrixLayoutOpaque_t a, b, c;
  };
  struct plan {
    description described;
    cublasLtMatmulAlgo_t algorithm;
  };

  void run(compute_type compute, const column_major_product& p) {
    plan& use = plan_for({compute, p.shape}, p.bias);
    auto& [operation, a, b, c] = use.described;
    if (p.bias != nullptr) set_bias(operation, p.bias);
    const float one = 1, kept = p.shape.accumulate ? 1.0f : 0.0f;
    check_cublas(cublasLtMatmul(handle_, &operation, &one, p.a, &a, p.b, &b, &kept, p.c, &c, p.c, &c, &use.algorithm,
                                nullptr, 0, stream_),
                 "cublasLtMatmul");
  }

  plan& plan_for(const key& wanted, const float* bias) {
    const auto found = plans_.find(wanted);
    if (found != plans_.end()) return found->second;
    const cublasLtMatmulAlgo_t* const algorithm = algorithm_for({wanted.compute, canonical(wanted.shape)}, bias);
    if (algorithm == nullptr) refuse(wanted, "no algorithm does without splitting sums and without a workspace");
    plan made{describe(wanted), *algorithm};
    if (bias != nullptr) set_bias(made.described.operation, bias);
    cublasLtMatmulHeuristicResult_t result{};
    auto& [operation, a, b, c] = made.described;
    const cublasStatus_t status =
        cublasLtMatmulAlgoCheck(handle_, &operation, &a, &b, &c, &c, &made.algorithm, &result);
    if (status != CUBLAS_STATUS_SUCCESS || result.workspaceSize > 0)
      refuse(wanted,
             message("the algorithm for any number of rows does not take this one (",
                     status == CUBLAS_STATUS_SUCCESS ? "it wants a workspace" : cublasLtGetStatusString(status), ")"));
    return plans_.emplace(wanted, made).first->second;
  }

  /// Asks the library once for each canonical shape; null if it has none.
  const cublasLtMatmulAlgo_t* algorithm_for(const key& wanted, const float* bias) {
    auto found = algorithms_.find(wanted);
    if (found == algorithms_.end()) found = algorithms_.emplace(wanted, ask(wanted, bias)).first;
    return found->second ? &*found->second : nullptr;
  }

  [[nodiscard]] std::optional<cublasLtMatmulAlgo_t> ask(const key& wanted, const float* bias) {
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    check_cuda(cudaStreamIsCapturing(stream_, &capture), "cudaStreamIsCapturing");
    if (capture != cudaStreamCaptureStatusNone)
      throw std::logic_error(message("cuBLASLt: the first product of a shape cannot be recorded: ", text(wanted),
                                     "; run the work once as it is"));
    if (handle_ == nullptr) check_cublas(cublasLtCreate(&handle_), "cublasLtCreate");

    cublasLtMatmulPreferenceOpaque_t preference;
    check_cublas(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check_cublas(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value)),
                   "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{0});
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(wanted.shape.alignment_a));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(wanted.shape.alignment_b));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(wanted.shape.alignment_c));
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(wanted.shape.alignment_c));

    description described = describe(wanted);
    if (bias != nullptr) set_bias(described.operation, bias);
    auto& [operation, a, b, c] = described;
    constexpr int most = 16;
    cublasLtMatmulHeuristicResult_t results[most];
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, &operation, &a, &b, &c, &c, &preference, most, results, &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check_cublas(status, "cublasLtMatmulAlgoGetHeuristic");
    // An algorithm without a tile of its own may choose one by the number of rows, so it comes last.
    for (const bool any_tile : {false, true})
      for (int i = 0; i < count; ++i)
        if (results[i].state == CUBLAS_STATUS_SUCCESS && results[i].workspaceSize == 0 &&
            sums_in_one_piece(results[i].algo) && (any_tile || has_tile(results[i].algo)))
          return results[i].algo;
    return std::nullopt;
  }

  template <class Value>
  [[nodiscard]] static Value configuration(const cublasLtMatmulAlgo_t& algorithm,
                                           cublasLtMatmulAlgoConfigAttributes_t attribute) {
    Value value{};
    std::size_t written = 0;
    check_cublas(cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof(value), &written),
                 "cublasLtMatmulAlgoConfigGetAttribute");
    return value;
  }
  [[nodiscard]] static bool sums_in_one_piece(const cublasLtMatmulAlgo_t& algorithm) {
    return configuration<std::int32_t>(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM) <= 1 &&
           configuration<std::uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME) ==
               static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE);
  }
  [[nodiscard]] static bool has_tile(const cublasLtMatmulAlgo_t& algorithm) {
    return configuration<std::uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_TILE_ID) !=
           static_cast<std::uint32_t>(CUBLASLT_MATMUL_TILE_UNDEFINED);
  }

  [[nodiscard]] static cublasComputeType_t library_type(compute_type compute) {
    switch (compute) {
      case compute_type::float32:
        return CUBLAS_COMPUTE_32F;
      case compute_type::tf32:
        return CUBLAS_COMPUTE_32F_FAST_TF32;
      case compute_type::bf16:
        return CUBLAS_COMPUTE_32F_FAST_16BF;
    }
    return CUBLAS_COMPUTE_32F;
  }

  template <class Value>
  static void set(cublasLtMatmulDescOpaque_t& operation, cublasLtMatmulDescAttributes_t attribute, Value value) {
    check_cublas(cublasLtMatmulDescSetAttribute(&operation, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  }
  static void set_bias(cublasLtMatmulDescOpaque_t& operation, const float* bias) {
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias));
  }

  [[nodiscard]] static cublasLtMatrixLayoutOpaque_t layout(index_t rows, index_t columns, index_t ld, index_t batches,
                                                           index_t stride) {
    cublasLtMatrixLayoutOpaque_t made;
    check_cublas(cublasLtMatrixLayoutInit(&made, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                          static_cast<std::uint64_t>(columns), ld),
                 "cublasLtMatrixLayoutInit");
    const auto set = [&](cublasLtMatrixLayoutAttribute_t attribute, auto value) {
      check_cublas(cublasLtMatrixLayoutSetAttribute(&made, attribute, &value, sizeof(value)),
                   "cublasLtMatrixLayoutSetAttribute");
    };
    set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(batches));
    set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, static_cast<std::int64_t>(stride));
    return made;
  }

  [[nodiscard]] static description describe(const key& wanted) {
    const column_major_shape& s = wanted.shape;
    expects(s.batches <= std::numeric_limits<std::int32_t>::max(), [&] {
      return message("cuBLASLt: a batch of ", s.batches, " products; it takes up to 2^31 - 1: split the batch");
    });
    description made;
    check_cublas(cublasLtMatmulDescInit(&made.operation, library_type(wanted.compute), CUDA_R_32F),
                 "cublasLtMatmulDescInit");
    set(made.operation, CUBLASLT_MATMUL_DESC_TRANSA,
        static_cast<std::int32_t>(s.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N));
    set(made.operation, CUBLASLT_MATMUL_DESC_TRANSB,
        static_cast<std::int32_t>(s.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N));
    if (s.bias) set(made.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<std::uint32_t>(CUBLASLT_EPILOGUE_BIAS));
    made.a = layout(s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k, s.lda, s.batches, s.stride_a);
    made.b = layout(s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n, s.ldb, s.batches, s.stride_b);
    made.c = layout(s.m, s.n, s.ldc, s.batches, s.stride_c);
    return made;
  }

  [[nodiscard]] static std::string text(const key& k) {
    const column_major_shape& s = k.shape;
    return message("c[", s.n, ", ", s.m, "] = a[", s.n, ", ", s.k, "]", s.b_transposed ? " (transposed)" : "", " b[",
                   s.k, ", ", s.m, "]", s.a_transposed ? " (transposed)" : "", s.bias ? " + bias" : "",
                   s.accumulate ? " + c" : "", ", batch of ", s.batches, ", compute type ",
                   k.compute == compute_type::float32 ? "float32"
                   : k.compute == compute_type::tf32  ? "tf32"
                                                      : "bf16");
  }
  [[noreturn]] static void refuse(const key& wanted, std::string_view why) {
    throw std::runtime_error(message("cuBLASLt: ", text(wanted), ": ", why, "; choose product_kernels::own"));
  }

  cudaStream_t stream_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<key, std::optional<cublasLtMatmulAlgo_t>> algorithms_;
  std::map<key, plan> plans_;
};

}  // namespace fewstep::detail

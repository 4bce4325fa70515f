// SPDX-License-Identifier: Apache-2.0
// What a GPU can do at best, for comparison in the same process:
//   copy/kernel, copy/memcpy   copies in its memory by a kernel of 16-byte packets and by cudaMemcpyAsync; `bytes` are
//                              read and written in all. "streamed" goes round arrays that are several times the L2
//                              cache, "resident" repeats one copy. Launched singly and inside a CUDA graph.
//   launch/empty               a kernel that does nothing: what a launch costs
//   matrix/*                   a product of 4096 x 4096 matrices by cuBLASLt, the fastest of the algorithms it proposes
#include "timing.cuh"

#include <cublasLt.h>
#include <cuda_bf16.h>

#include <limits>

namespace gpu {

struct round_to_bf16 {
  const float* from;
  __nv_bfloat16* to;
  FEWSTEP_HD void operator()(index_t i) const { to[i] = __float2bfloat16(from[i]); }
};

struct do_nothing {
  static constexpr int threads = 32;
  template <class Block>
  FEWSTEP_HD void operator()(Block&) const {}
};

namespace {

constexpr index_t side = 4096;

/// c = a b of square matrices.
class library_product {
 public:
  library_product(cuda_backend& backend, compute_type compute)
      : backend_(backend),
        a_(filled(backend, side * side)),
        b_(filled(backend, side * side)),
        c_(filled(backend, side * side)),
        workspace_(backend, {workspace_bytes / static_cast<index_t>(sizeof(float))}) {
    const bool halves = compute == compute_type::bf16;
    if (halves)
      for (auto* array : {&a_, &b_}) {
        backend.for_each(side * side, round_to_bf16{array->data(), reinterpret_cast<__nv_bfloat16*>(c_.data())});
        backend.copy(c_.data(), array->data(), side * side / 2);
      }
    detail::check_cublas(
        cublasLtMatmulDescInit(
            &operation_, compute == compute_type::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
        "cublasLtMatmulDescInit");
    detail::check_cublas(
        cublasLtMatrixLayoutInit(&layout_, halves ? CUDA_R_16BF : CUDA_R_32F, static_cast<std::uint64_t>(side),
                                 static_cast<std::uint64_t>(side), side),
        "cublasLtMatrixLayoutInit");
    cublasLtMatmulPreferenceOpaque_t preference;
    detail::check_cublas(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
    const auto room = static_cast<std::uint64_t>(workspace_bytes);
    detail::check_cublas(cublasLtMatmulPreferenceSetAttribute(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                              &room, sizeof(room)),
                         "cublasLtMatmulPreferenceSetAttribute");
    detail::check_cublas(cublasLtCreate(&handle_), "cublasLtCreate");
    int count = 0;
    detail::check_cublas(cublasLtMatmulAlgoGetHeuristic(handle_, &operation_, &layout_, &layout_, &layout_, &layout_,
                                                        &preference, most_proposed, proposed_, &count),
                         "cublasLtMatmulAlgoGetHeuristic");
    proposed_count_ = count;
  }
  library_product(const library_product&) = delete;
  library_product& operator=(const library_product&) = delete;
  ~library_product() {
    backend_.synchronize();
    if (handle_ != nullptr) (void)cublasLtDestroy(handle_);
  }

  [[nodiscard]] static double operations() { return 2.0 * side * side * side; }
  /// The algorithms that cuBLASLt proposes.
  [[nodiscard]] int proposed() const { return proposed_count_; }
  void multiply(int algorithm) {
    const float one = 1, zero = 0;
    detail::check_cublas(
        cublasLtMatmul(handle_, &operation_, &one, a_.data(), &layout_, b_.data(), &layout_, &zero, c_.data(), &layout_,
                       c_.data(), &layout_, &proposed_[algorithm].algo, workspace_.data(),
                       static_cast<std::size_t>(workspace_bytes), backend_.device().stream()),
        "cublasLtMatmul");
  }

 private:
  static constexpr index_t workspace_bytes = index_t{64} << 20;

  cuda_backend& backend_;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDescOpaque_t operation_{};
  cublasLtMatrixLayoutOpaque_t layout_{};
  cuda_tensor<float, 1> a_, b_, c_, workspace_;
  static constexpr int most_proposed = 8;
  cublasLtMatmulHeuristicResult_t proposed_[most_proposed];  // nvcc 13.0 breaks down over a std::vector of them
  int proposed_count_ = 0;
};

/// Which of the algorithms is the fastest, and its seconds.
std::pair<int, double> fastest(cuda_backend& backend, library_product& product) {
  std::pair<int, double> best{0, std::numeric_limits<double>::infinity()};
  for (int i = 0; i < product.proposed(); ++i) {
    const double seconds = seconds_of(backend, launched::singly, 1, [&](index_t) { product.multiply(i); });
    if (seconds < best.second) best = {i, seconds};
  }
  return best;
}

}  // namespace

double matrix_rate(compute_type compute) {
  if constexpr (emulated) {
    return 0;
  } else {
    static std::map<compute_type, double> known;
    if (const auto found = known.find(compute); found != known.end()) return found->second;
    cuda_backend backend;
    library_product product(backend, compute);
    return known[compute] = library_product::operations() / fastest(backend, product).second;
  }
}

namespace {

void copy(benchmark::State& state, launched how, bool streamed, bool by_kernel) {
  backend_type backend;
  const auto bytes = static_cast<double>(state.range(0));
  const index_t sets = streamed ? streamed_sets(backend, bytes) : 1;
  copies<backend_type> arrays(backend, bytes, sets);
  run(state, backend, {.bytes = arrays.bytes(), .set = arrays.bytes()}, how, sets,
      [&](index_t i) { by_kernel ? arrays.by_kernel(i) : arrays.by_driver(i); });
}

void product(benchmark::State& state, compute_type compute) {
  cuda_backend backend;
  library_product product(backend, compute);
  const int algorithm = fastest(backend, product).first;
  run(state, backend, {.operations = library_product::operations()}, launched::singly, 1,
      [&](index_t) { product.multiply(algorithm); });
}

[[maybe_unused]] const bool registered = [] {
  constexpr std::int64_t mega = 1'000'000;
  for (const launched how : {launched::singly, launched::as_graph}) {
    for (const bool by_kernel : {true, false})
      for (const bool streamed : {true, false})
        add(message("copy/", by_kernel ? "kernel/" : "memcpy/", name_of(how), streamed ? "/streamed" : "/resident"),
            {"bytes"}, {{3 * mega}, {12 * mega}, {50 * mega}, {200 * mega}, {1000 * mega}}, {1000},
            [=](benchmark::State& state) { copy(state, how, streamed, by_kernel); });
    add(message("launch/empty/", name_of(how)), {}, {{}}, {}, [=](benchmark::State& state) {
      backend_type backend;
      run(state, backend, {}, how, 1, [&](index_t) { backend.executor(0).launch(1, do_nothing{}); });
    });
  }
  if constexpr (!emulated)
    for (const arithmetic& a : arithmetics())
      if (a.products == product_kernels::library)
        add(message("matrix/", a.name), {"side"}, {{side}}, {side},
            [compute = a.compute](benchmark::State& state) { product(state, compute); });
  return true;
}();

}  // namespace

}  // namespace gpu

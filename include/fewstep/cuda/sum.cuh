// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/cuda/executor.cuh>

#include <cuda_runtime_api.h>

namespace fewstep {

namespace detail {

/// partials[block] = sum of term(i) over a block's elements: each thread adds its own in order, then the block.
template <class Term>
struct partial_sums {
  static constexpr int threads = 256;
  static constexpr index_t per_block = 16384;

  index_t n;
  Term term;
  double* partials;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const index_t first = block.index() * per_block, last = first + per_block < n ? first + per_block : n;
    double sum = 0;
    for (index_t i = first + block.thread(); i < last; i += threads) sum += term(i);
    sum = block.sum(sum);
    if (block.thread() == 0) partials[block.index()] = sum;
  }
};

struct element_of {
  const double* values;
  FEWSTEP_HD double operator()(index_t i) const { return values[i]; }
};

}  // namespace detail

/// Sum of term(i) over [0, n) in double. The order of additions depends on n and on nothing else, so it is the same on
/// every GPU and in the emulation. Waits for the result.
template <class Device, class Term>
[[nodiscard]] double sum_of(device_executor<Device>& executor, index_t n, const Term& term) {
  if (n == 0) return 0;
  using kernel = detail::partial_sums<Term>;
  using next = detail::partial_sums<detail::element_of>;
  const auto blocks = [](index_t count) { return (count + kernel::per_block - 1) / kernel::per_block; };
  index_t count = blocks(n);
  double* partials = executor.template scratch<double>(device_executor<Device>::partials, count + blocks(count) + 64);
  executor.launch(count, kernel{n, term, partials});
  while (count > 1) {
    double* to = partials + count;
    executor.launch(blocks(count), next{count, {partials}, to});
    partials = to;
    count = blocks(count);
  }
  double sum = 0;
  executor.device().copy(&sum, partials, sizeof(double), cudaMemcpyDeviceToHost);
  executor.device().synchronize();
  return sum;
}

}  // namespace fewstep

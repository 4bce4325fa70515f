// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/cpu/attention.hpp>
#include <fewstep/backend/cpu/buffer.hpp>
#include <fewstep/backend/cpu/conv2d.hpp>
#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/backend/cpu/norm.hpp>
#include <fewstep/backend/cpu/product.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/parallel_for.hpp>
#include <fewstep/core/tensor.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

namespace fewstep {

/// The CPU: arrays in host memory, rows of the batch shared out over OpenMP threads.
///
/// One caller at a time: neither calls from several threads nor calls from inside a task may overlap, so a reward that
/// rates in the background needs a backend of its own.
///
/// The number of threads is a property of the object and never changes a bit of any result: parallel regions cut work
/// into blocks whose size does not depend on it. The constructor throws std::runtime_error where the system does not
/// give as many.
class cpu_backend {
 public:
  template <class T>
  using buffer = cpu_buffer<T>;
  using executor_type = cpu_executor;

  struct options {
    int threads = 0;  ///< 0: as many as OpenMP would use; with FEWSTEP_NO_OPENMP there is one
  };

  cpu_backend() : cpu_backend(options{}) {}
  explicit cpu_backend(options o)
      : executors_(static_cast<std::size_t>(o.threads > 0 ? o.threads : detail::default_threads())) {
    expects(o.threads >= 0, [&] { return message("cpu_backend: threads is ", o.threads, "; use 0 (all) or more"); });
    expects(FEWSTEP_HAS_OPENMP || o.threads <= 1, [&] {
      return message("cpu_backend: threads is ", o.threads,
                     ", but FEWSTEP_NO_OPENMP leaves one; use 0 or 1, or compile with -fopenmp and without that macro");
    });
    detail::expect_threads("cpu_backend", threads());
  }

  [[nodiscard]] int threads() const { return static_cast<int>(executors_.size()); }
  [[nodiscard]] cpu_executor& executor(int thread) { return executors_[static_cast<std::size_t>(thread)]; }

  template <class T>
  [[nodiscard]] buffer<T> allocate(index_t n) {
    return buffer<T>(n);
  }

  /// task(executor, thread, i) for i in [0, tasks); tasks are independent and run in any order on any thread. If tasks
  /// throw, the caller gets the exception of the smallest such i. The team is the same whatever the number of tasks:
  /// the OpenMP runtime would allocate a new one whenever its size changes.
  template <class Task>
  void parallel_for(index_t tasks, const Task& task) {
    detail::parallel_for(tasks, threads(), [&](int thread, index_t i) { task(executor(thread), thread, i); });
    level_scratch();
  }

  /// f(i) for i in [0, n): a scalar kernel mapped over an array.
  template <class Kernel>
  void for_each(index_t n, const Kernel& f) {
    parallel_for((n + map_block - 1) / map_block, [&](cpu_executor& executor, int, index_t block) {
      const index_t first = block * map_block;
      executor.for_each(first, std::min(n, first + map_block), f);
    });
  }

  /// Sum of term(i) over [0, n) in double: fixed blocks, each in a fixed order, added in order.
  template <class Term>
  [[nodiscard]] double sum(index_t n, const Term& term) {
    const index_t blocks = (n + map_block - 1) / map_block;
    if (static_cast<index_t>(partial_sums_.size()) < blocks) partial_sums_.resize(static_cast<std::size_t>(blocks));
    parallel_for(blocks, [&](cpu_executor&, int, index_t block) {
      const Term term_of = term;  // see cpu_executor::for_each
      constexpr index_t lanes = 8;
      double partial[lanes] = {};
      const index_t first = block * map_block, last = std::min(n, first + map_block);
      index_t i = first;
      for (; i + lanes <= last; i += lanes)
        for (index_t lane = 0; lane < lanes; ++lane) partial[lane] += term_of(i + lane);
      for (; i < last; ++i) partial[0] += term_of(i);
      double total = 0;
      for (const double value : partial) total += value;
      partial_sums_[static_cast<std::size_t>(block)] = total;
    });
    double total = 0;
    for (index_t block = 0; block < blocks; ++block) total += partial_sums_[static_cast<std::size_t>(block)];
    return total;
  }

  template <class T>
  void copy_to_host(const T* device, T* host, index_t n) {
    copy(device, host, n);
  }
  template <class T>
  void copy_to_device(const T* host, T* device, index_t n) {
    copy(host, device, n);
  }
  template <class T>
  void copy(const T* from, T* to, index_t n) {
    if (n > 0) std::memmove(to, from, static_cast<std::size_t>(n) * sizeof(T));  // nothing may stand at no address
  }
  void synchronize() {}

 private:
  /// Which thread gets which task is chance: what one had to grow, all have, and none allocates when its turn comes
  /// late.
  void level_scratch() {
    if (threads() == 1) return;
    for (const cpu_executor& other : executors_) executors_[0].grow_to(other);
    for (cpu_executor& executor : executors_) executor.grow_to(executors_[0]);
  }

  static constexpr index_t map_block = 16384;

  std::vector<cpu_executor> executors_;
  std::vector<double> partial_sums_;
};

static_assert(backend<cpu_backend>);

/// Owning array on the CPU.
template <class T, int Rank>
using cpu_tensor = tensor<T, Rank, cpu_backend>;

}  // namespace fewstep

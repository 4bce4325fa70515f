// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <algorithm>
#include <atomic>
#include <exception>

#if defined(FEWSTEP_NO_OPENMP)
#define FEWSTEP_HAS_OPENMP 0
#elif defined(_OPENMP)
#define FEWSTEP_HAS_OPENMP 1
#include <omp.h>
#else
#error "fewstep: compile with -fopenmp, or with -DFEWSTEP_NO_OPENMP for one thread and the same bits"
#define FEWSTEP_HAS_OPENMP 0
#endif

namespace fewstep::detail {

/// As many threads as OpenMP would use; 1 without it.
inline int default_threads() {
#if FEWSTEP_HAS_OPENMP
  return std::max(1, omp_get_max_threads());
#else
  return 1;
#endif
}

/// task(thread, i) once for every i in [0, count), in any order on a team of up to `threads` threads; on one thread in
/// order. If tasks throw, the exception of the smallest such i is rethrown, whatever the number of threads.
/// All that the library does with OpenMP is here.
template <class Task>
void parallel_for(index_t count, [[maybe_unused]] int threads, const Task& task) {
#if FEWSTEP_HAS_OPENMP
  if (threads > 1 && count > 1) {
    std::atomic<index_t> next = 0;  // LLVM's runtime allocates for a loop with schedule(dynamic)
    std::atomic<index_t> first_failure = count;
    std::exception_ptr failure;
#pragma omp parallel num_threads(threads)
    for (index_t i = next++; i < first_failure; i = next++) {
      try {
        task(omp_get_thread_num(), i);
      } catch (...) {
#pragma omp critical(fewstep_parallel_for)
        if (i < first_failure) {
          first_failure = i;
          failure = std::current_exception();
        }
      }
    }
    if (failure != nullptr) std::rethrow_exception(failure);
    return;
  }
#endif
  for (index_t i = 0; i < count; ++i) task(0, i);
}

}  // namespace fewstep::detail

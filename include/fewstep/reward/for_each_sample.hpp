// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <algorithm>
#include <atomic>
#include <exception>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace fewstep::detail {

/// Calls visit(i) once for every i in [0, count), on up to `threads` threads (0: OpenMP's default, 1: in place and in
/// order). If visits throw, the exception of the smallest such i is rethrown, whatever the number of threads.
template <class Visit>
void for_each_sample(index_t count, int threads, const Visit& visit) {
#if defined(_OPENMP)
  const index_t wanted = threads > 0 ? threads : omp_get_max_threads();
  const int team = static_cast<int>(std::min(wanted, count));
  if (team > 1) {
    std::atomic<index_t> first_failure{count};
    std::exception_ptr error;
#pragma omp parallel for num_threads(team) schedule(dynamic, 1)
    for (index_t i = 0; i < count; ++i) {
      if (i > first_failure.load(std::memory_order_relaxed)) continue;
      try {
        visit(i);
      } catch (...) {
#pragma omp critical(fewstep_for_each_sample)
        if (i < first_failure.load(std::memory_order_relaxed)) {
          first_failure.store(i, std::memory_order_relaxed);
          error = std::current_exception();
        }
      }
    }
    if (error) std::rethrow_exception(error);
    return;
  }
#else
  static_cast<void>(threads);
#endif
  for (index_t i = 0; i < count; ++i) visit(i);
}

}  // namespace fewstep::detail

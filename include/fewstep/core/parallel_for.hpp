// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <vector>

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

/// Throws std::runtime_error, naming `who`, unless the system gives this process so many threads. OpenMP would end the
/// program instead, when it makes its team. What it has given once it gives again, and is not asked for.
inline void expect_threads([[maybe_unused]] const char* who, [[maybe_unused]] int threads) {
#if FEWSTEP_HAS_OPENMP
  static std::atomic<int> given = 1;
  if (threads <= given) return;
  std::vector<pthread_t> team;  // of std::thread each would be a call through a virtual table
  team.reserve(static_cast<std::size_t>(threads) - 1);
  std::mutex held;
  int code = 0;
  {
    const std::lock_guard all_at_once(held);
    const auto wait_for_all = [](void* all) -> void* {
      const std::lock_guard until_all_are_there(*static_cast<std::mutex*>(all));
      return nullptr;
    };
    for (pthread_t member; code == 0 && static_cast<int>(team.size()) < threads - 1;) {
      code = pthread_create(&member, nullptr, wait_for_all, &held);
      if (code == 0) team.push_back(member);
    }
  }
  for (const pthread_t member : team) pthread_join(member, nullptr);
  if (code != 0)
    throw std::runtime_error(message(who, ": threads is ", threads, ", but the system gives this process ",
                                     team.size() + 1, " (", std::strerror(code),
                                     "); use fewer (OMP_NUM_THREADS where none are asked for), or raise its limits of "
                                     "memory and processes"));
  given = std::max(given.load(), threads);
#endif
}

/// Tasks [next, end) of a team, on a cache line of their own.
struct alignas(64) task_share {
  std::atomic<index_t> next = 0;
  index_t end = 0;
};

#if FEWSTEP_HAS_OPENMP
/// The part of parallel_for that starts threads, apart: a loop that starts none has not the frame that it needs.
template <class Task>
[[gnu::noinline]] void run_on_threads(index_t count, int threads, const Task& task) {
  constexpr int most_shares = 64;
  std::array<task_share, most_shares> shares;  // LLVM's runtime allocates for a loop with schedule(dynamic)
  const int parts = std::min(threads, most_shares);
  for (int part = 0; part < parts; ++part) {
    task_share& share = shares[static_cast<std::size_t>(part)];
    share.next.store(count * part / parts, std::memory_order_relaxed);
    share.end = count * (part + 1) / parts;
  }
  std::atomic<index_t> first_failure = count;
  std::exception_ptr failure;
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    for (int turn = 0; turn < parts; ++turn) {
      task_share& share = shares[static_cast<std::size_t>((thread + turn) % parts)];
      if (share.next.load(std::memory_order_relaxed) >= share.end) continue;  // a line that many read stays everywhere
      for (index_t i = share.next++; i < share.end && i < first_failure; i = share.next++) {
        try {
          task(thread, i);
        } catch (...) {
#pragma omp critical(fewstep_parallel_for)
          if (i < first_failure) {
            first_failure = i;
            failure = std::current_exception();
          }
        }
      }
    }
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}
#endif

/// task(thread, i) once for every i in [0, count), in any order on a team of up to `threads` threads; on one thread in
/// order. If tasks throw, the exception of the smallest such i is rethrown, whatever the number of threads.
/// All that the library does with OpenMP is here. Out of line: what a loop does is then compiled once, apart from where
/// it is called, for one thread, and its sums of products are contracted in one way.
///
/// Each thread begins with a share of neighbouring tasks, the same at every call, whose data its cache may still hold,
/// and then helps the others out.
template <class Task>
[[gnu::noinline]] void parallel_for(index_t count, [[maybe_unused]] int threads, const Task& task) {
#if FEWSTEP_HAS_OPENMP
  if (threads > 1 && count > 1) return run_on_threads(count, threads, task);
#endif
  for (index_t i = 0; i < count; ++i) task(0, i);
}

}  // namespace fewstep::detail

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counts what is allocated, by replacing malloc and its kin. Include it in one file of an executable only; others of it
// read what was counted by support/allocation_counts.hpp.

#include "support/allocation_counts.hpp"

#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS

#include <malloc.h>

#include <cerrno>
#include <cstdlib>

// clang's own header declares posix_memalign again, which it takes amiss after the definition below.
#if defined(__clang__) && __has_include(<mm_malloc.h>)
#include <mm_malloc.h>
#endif

namespace fewstep::test {

inline void* counted(void* memory) {
  if (memory == nullptr) return memory;
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t live = live_bytes += static_cast<std::int64_t>(malloc_usable_size(memory));
  std::int64_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return memory;
}
inline void uncounted(void* memory) {
  if (memory != nullptr) live_bytes -= static_cast<std::int64_t>(malloc_usable_size(memory));
}

}  // namespace fewstep::test

extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;
void __libc_free(void*) noexcept;

void* malloc(std::size_t bytes) noexcept { return fewstep::test::counted(__libc_malloc(bytes)); }
void* calloc(std::size_t n, std::size_t bytes) noexcept { return fewstep::test::counted(__libc_calloc(n, bytes)); }
void* realloc(void* memory, std::size_t bytes) noexcept {
  fewstep::test::uncounted(memory);
  return fewstep::test::counted(__libc_realloc(memory, bytes));
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return fewstep::test::counted(__libc_memalign(alignment, bytes));
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return fewstep::test::counted(__libc_memalign(alignment, bytes));
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) noexcept {
  *memory = fewstep::test::counted(__libc_memalign(alignment, bytes));
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) noexcept {
  fewstep::test::uncounted(memory);
  __libc_free(memory);
}
}

#endif

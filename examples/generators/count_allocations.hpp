// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>

/// Counts what a program of one file allocates. It takes the place of glibc's malloc and of what else operator new
/// calls; with another C library, and under a sanitizer, which has a malloc of its own, the count stays 0.
inline std::size_t allocations = 0;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;

void* malloc(std::size_t bytes) noexcept { return ++allocations, __libc_malloc(bytes); }
void* calloc(std::size_t n, std::size_t bytes) noexcept { return ++allocations, __libc_calloc(n, bytes); }
void* realloc(void* memory, std::size_t bytes) noexcept { return ++allocations, __libc_realloc(memory, bytes); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return ++allocations, __libc_memalign(alignment, bytes);
}
}
#endif

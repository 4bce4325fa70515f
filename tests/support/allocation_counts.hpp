// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much is allocated, as support/allocations.hpp counts it, which one file of the executable includes.
// FEWSTEP_TEST_COUNTS_ALLOCATIONS is defined where that works: sanitizers have a malloc of their own, and other C
// libraries other names.

#include "support/sanitized.hpp"

#include <features.h>

#if defined(__GLIBC__) && !defined(FEWSTEP_TEST_SANITIZED)
#define FEWSTEP_TEST_COUNTS_ALLOCATIONS

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fewstep::test {

/// Calls of malloc and its kin, bytes in use, and the most that ever were.
inline std::atomic<std::size_t> allocations = 0;
inline std::atomic<std::int64_t> live_bytes = 0, peak_bytes = 0;

}  // namespace fewstep::test

#endif

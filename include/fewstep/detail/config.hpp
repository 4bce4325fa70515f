// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Compiler differences, in one place: the only header of the plain C++ part that asks which compiler it is.

#if defined(__FAST_MATH__)
#error "fewstep: -ffast-math breaks reproducibility and the checks for non-finite values; compile without it"
#endif

#if defined(__CUDACC__)
#define FEWSTEP_HD __host__ __device__
#else
#define FEWSTEP_HD
#endif

#define FEWSTEP_VERSION_MAJOR 0
#define FEWSTEP_VERSION_MINOR 1
#define FEWSTEP_VERSION_PATCH 0

namespace fewstep::detail {

/// Width of a vector register of the target in bytes.
#if defined(__AVX512F__)
inline constexpr unsigned simd_bytes = 64;
#elif defined(__AVX__)
inline constexpr unsigned simd_bytes = 32;
#else
inline constexpr unsigned simd_bytes = 16;
#endif

}  // namespace fewstep::detail

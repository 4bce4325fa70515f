// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/one_build.hpp>

/// Compiler differences, in one place: the only header of the plain C++ part that asks which compiler it is.

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__)
#error "fewstep: -ffast-math and its parts break reproducibility and the checks for non-finite values; leave them out"
#endif

#if defined(__CUDACC__)
#define FEWSTEP_HD __host__ __device__
#else
#define FEWSTEP_HD
#endif

/// Of a function whose sums live in registers: nothing that it calls stays a call, and clang keeps registers of 64
/// bytes whole for processors on which it would rather use half of them.
#if defined(__clang__)
#define FEWSTEP_KERNEL [[gnu::noinline, gnu::flatten, clang::min_vector_width(512)]]
#else
#define FEWSTEP_KERNEL [[gnu::noinline, gnu::flatten]]
#endif

/// The version (semver.org), which CMake reads here.
#define FEWSTEP_VERSION_MAJOR 0
#define FEWSTEP_VERSION_MINOR 1
#define FEWSTEP_VERSION_PATCH 0
/// As one number: 100 is 0.1.0 and 10203 is 1.2.3.
#define FEWSTEP_VERSION (FEWSTEP_VERSION_MAJOR * 10000 + FEWSTEP_VERSION_MINOR * 100 + FEWSTEP_VERSION_PATCH)

namespace fewstep::detail {

/// Whether a CUDA compiler reads the code for a device. What only the host runs may be left out of that: nvcc 13 dies
/// of some vector types.
#if defined(__CUDA_ARCH__)
inline constexpr bool is_device_pass = true;
#else
inline constexpr bool is_device_pass = false;
#endif

/// Width of a vector register of the target in bytes.
#if defined(__AVX512F__)
inline constexpr unsigned simd_bytes = 64;
#elif defined(__AVX__)
inline constexpr unsigned simd_bytes = 32;
#else
inline constexpr unsigned simd_bytes = 16;
#endif

/// Makes the compiler believe that a register has changed. A loop with one sum only is split by g++ into a product and
/// an addition on some processors (Zen, Alder Lake), which rounds twice where all other loops round once.
template <class Register>
[[gnu::always_inline]] inline void hide_from_optimizer([[maybe_unused]] Register& value) {
#if defined(__GNUC__) && defined(__x86_64__) && !defined(__CUDACC__)
  asm("" : "+x"(value));
#endif
}

/// The same of any number, by way of memory and in host code of nvcc too; for what is done once, not for inner loops.
template <class Number>
[[gnu::always_inline]] FEWSTEP_HD inline void hide_in_memory([[maybe_unused]] Number& value) {
#if defined(__GNUC__) && !defined(__CUDA_ARCH__)
  asm("" : "+m"(value));
#endif
}

}  // namespace fewstep::detail

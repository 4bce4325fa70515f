// SPDX-License-Identifier: Apache-2.0
#pragma once

/// All files of a program are compiled with the same instruction set (-march, -m...) and the same choice of OpenMP;
/// others do not link. Of an inline function that two files instantiate a linker keeps one, whichever it is: one that
/// was made for AVX-512 would end the program on a processor without it, or give one file the rounding of another. That
/// holds for the standard library's functions too, so a name for each set would not do.
///
/// Each file asks for a symbol with its flags in the name, which stands in one COMDAT group with the symbol
/// fewstep_one_build. The linker keeps the group of the first file, and a file that asks for another name does not
/// link. A shared library is a program of its own here; compiled with
/// -fvisibility=hidden -fvisibility-inlines-hidden it keeps its functions to itself, and a program may choose among
/// several as it starts.

#if defined(__ELF__) && !defined(__CUDA_ARCH__)

/// 1 if the compiler defines `macro` as 1, as it does for an extension of the instruction set that it may use; else 0.
#define FEWSTEP_BUILD_BIT(macro) FEWSTEP_BUILD_BIT_OF(macro)
#define FEWSTEP_BUILD_BIT_OF(value) FEWSTEP_BUILD_SECOND_OF(FEWSTEP_BUILD_PAIR_##value 1, 0)
#define FEWSTEP_BUILD_SECOND_OF(...) FEWSTEP_BUILD_SECOND(__VA_ARGS__, 0)
#define FEWSTEP_BUILD_SECOND(first, second, ...) second
#define FEWSTEP_BUILD_PAIR_1 0,

/// Four of them as a hexadecimal digit.
#define FEWSTEP_BUILD_DIGIT(a, b, c, d) \
  FEWSTEP_BUILD_DIGIT_OF(FEWSTEP_BUILD_BIT(a), FEWSTEP_BUILD_BIT(b), FEWSTEP_BUILD_BIT(c), FEWSTEP_BUILD_BIT(d))
#define FEWSTEP_BUILD_DIGIT_OF(a, b, c, d) FEWSTEP_BUILD_HEX(a, b, c, d)
#define FEWSTEP_BUILD_HEX(a, b, c, d) FEWSTEP_BUILD_HEX_##a##b##c##d
#define FEWSTEP_BUILD_HEX_0000 0
#define FEWSTEP_BUILD_HEX_0001 1
#define FEWSTEP_BUILD_HEX_0010 2
#define FEWSTEP_BUILD_HEX_0011 3
#define FEWSTEP_BUILD_HEX_0100 4
#define FEWSTEP_BUILD_HEX_0101 5
#define FEWSTEP_BUILD_HEX_0110 6
#define FEWSTEP_BUILD_HEX_0111 7
#define FEWSTEP_BUILD_HEX_1000 8
#define FEWSTEP_BUILD_HEX_1001 9
#define FEWSTEP_BUILD_HEX_1010 a
#define FEWSTEP_BUILD_HEX_1011 b
#define FEWSTEP_BUILD_HEX_1100 c
#define FEWSTEP_BUILD_HEX_1101 d
#define FEWSTEP_BUILD_HEX_1110 e
#define FEWSTEP_BUILD_HEX_1111 f

#if defined(FEWSTEP_NO_OPENMP)
#define FEWSTEP_BUILD_ONE_THREAD 1
#endif
#if defined(__ARM_FEATURE_SVE_BITS) && __ARM_FEATURE_SVE_BITS
#define FEWSTEP_BUILD_SVE_BITS 1
#endif

#define FEWSTEP_BUILD_NAME(...) FEWSTEP_BUILD_NAME_OF(__VA_ARGS__)
#if defined(__aarch64__)
#define FEWSTEP_BUILD_NAME_OF(a, b) fewstep_all_files_need_the_same_march_and_openmp_##a##b
#define FEWSTEP_BUILD                                                                                          \
  FEWSTEP_BUILD_NAME(                                                                                          \
      FEWSTEP_BUILD_DIGIT(__ARM_FEATURE_SVE2, __ARM_FEATURE_SVE, __ARM_FEATURE_BF16, __ARM_FEATURE_DOTPROD),   \
      FEWSTEP_BUILD_DIGIT(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC, __ARM_FEATURE_ATOMICS, FEWSTEP_BUILD_SVE_BITS, \
                          FEWSTEP_BUILD_ONE_THREAD))
#else
#define FEWSTEP_BUILD_NAME_OF(a, b, c, d, e, f, g) \
  fewstep_all_files_need_the_same_march_and_openmp_##a##b##c##d##e##f##g
#define FEWSTEP_BUILD                                                                                             \
  FEWSTEP_BUILD_NAME(FEWSTEP_BUILD_DIGIT(__AVX512VPOPCNTDQ__, __AVX512BITALG__, __AVX512VBMI2__, __AVX512VBMI__), \
                     FEWSTEP_BUILD_DIGIT(__AVX512BF16__, __AVX512FP16__, __AVX512VNNI__, __AVX512IFMA__),         \
                     FEWSTEP_BUILD_DIGIT(__AVX512VL__, __AVX512DQ__, __AVX512CD__, __AVX512BW__),                 \
                     FEWSTEP_BUILD_DIGIT(__AVX512F__, __AVXVNNI__, __SSE4_1__, __AVX2__),                         \
                     FEWSTEP_BUILD_DIGIT(__FMA__, __F16C__, __BMI2__, __BMI__),                                   \
                     FEWSTEP_BUILD_DIGIT(__LZCNT__, __MOVBE__, __AVX__, __POPCNT__),                              \
                     FEWSTEP_BUILD_DIGIT(__SSE4_2__, __SSSE3__, __SSE3__, FEWSTEP_BUILD_ONE_THREAD))
#endif

#define FEWSTEP_BUILD_TEXT(...) FEWSTEP_BUILD_TEXT_OF(__VA_ARGS__)
#define FEWSTEP_BUILD_TEXT_OF(...) #__VA_ARGS__

namespace fewstep::detail {

/// Never called. It defines the group's symbols in assembly, once in whatever the assembler is given as one file: clang
/// leaves functions out of a precompiled header that nothing calls, and -flto makes one file of many. The reference is
/// in a section that the linker keeps.
[[gnu::used, gnu::noinline]] static void this_build() noexcept {
  asm(".ifndef fewstep_one_build\n"
      ".pushsection .rodata.fewstep_one_build,\"aG\",@progbits,fewstep_one_build,comdat\n"
      ".globl fewstep_one_build\n"
      ".hidden fewstep_one_build\n"
      "fewstep_one_build:\n"
      ".globl " FEWSTEP_BUILD_TEXT(FEWSTEP_BUILD) "\n"
      ".hidden " FEWSTEP_BUILD_TEXT(FEWSTEP_BUILD) "\n"
      FEWSTEP_BUILD_TEXT(FEWSTEP_BUILD) ":\n"
      ".long 0\n"
      ".popsection\n"
      ".endif\n"
      ".pushsection .fewstep_one_build,\"aR\"\n"
      ".long " FEWSTEP_BUILD_TEXT(FEWSTEP_BUILD) " - .\n"
      ".popsection");
}

}  // namespace fewstep::detail

#endif

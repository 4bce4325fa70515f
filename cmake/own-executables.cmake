# SPDX-License-Identifier: Apache-2.0
# What the tests, examples and benchmarks of this repository share; users of the library see none of it.

# Becomes an error with CMAKE_COMPILE_WARNING_AS_ERROR, which the presets for development set.
add_library(fewstep_warnings INTERFACE)
# g++ 12 at -O3 takes members of a temporary in braces for uninitialised where a later member's constructor may throw.
target_compile_options(fewstep_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-maybe-uninitialized>)

# Link to this from every executable of the repository.
add_library(fewstep_own INTERFACE)
target_link_libraries(fewstep_own INTERFACE fewstep::fewstep fewstep::io fewstep::image fewstep_warnings)
if(FEWSTEP_NATIVE)
  # clang++ 19 itself names a feature of some processors for which it then warns of an invalid combination.
  target_compile_options(fewstep_own INTERFACE -march=native
    $<$<CXX_COMPILER_ID:Clang>:-Wno-unknown-warning-option;-Wno-invalid-feature-combination>)
endif()

set(CMAKE_CXX_EXTENSIONS OFF)

find_program(FEWSTEP_CCACHE ccache)
if(FEWSTEP_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache asks for to keep objects made with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${FEWSTEP_CCACHE})
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()

# The kernels of networks, compiled once and with the optimisation of a release, whatever a test or a program has itself.
# What links to this does not compile them where it includes kernels.hpp.
add_library(compiled_kernels STATIC EXCLUDE_FROM_ALL examples/compiled_kernels/kernels.cpp)
target_link_libraries(compiled_kernels PUBLIC fewstep_own)
target_include_directories(compiled_kernels INTERFACE examples/compiled_kernels)
if(FEWSTEP_CUDA)
  add_library(compiled_cuda_kernels STATIC EXCLUDE_FROM_ALL examples/compiled_kernels/kernels.cu)
  target_link_libraries(compiled_cuda_kernels PUBLIC fewstep_own_cuda INTERFACE $<LINK_ONLY:compiled_kernels>)
  target_include_directories(compiled_cuda_kernels INTERFACE examples)
endif()

# SPDX-License-Identifier: Apache-2.0
# nvcc for the tests and benchmarks of this repository.
include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  enable_language(CUDA)
endif()
if(NOT CMAKE_CUDA_COMPILER_ID STREQUAL "NVIDIA" OR CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13)
  set(found "there is no CUDA compiler")
  if(CMAKE_CUDA_COMPILER)
    set(found "${CMAKE_CUDA_COMPILER} is ${CMAKE_CUDA_COMPILER_ID} ${CMAKE_CUDA_COMPILER_VERSION}")
  endif()
  message(FATAL_ERROR "fewstep: FEWSTEP_CUDA needs nvcc 13 or newer, and ${found}; put nvcc into PATH or CUDACXX, "
    "or set FEWSTEP_CUDA=OFF")
endif()

# Link to this from every CUDA executable of the repository. Warnings are errors in the presets that say so.
add_library(fewstep_own_cuda INTERFACE)
target_link_libraries(fewstep_own_cuda INTERFACE fewstep::cuda)
target_compile_options(fewstep_own_cuda INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wconversion,-Wshadow>)
if(CMAKE_COMPILE_WARNING_AS_ERROR)
  target_compile_options(fewstep_own_cuda INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings>"
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Werror>)
endif()
if(FEWSTEP_NATIVE)
  target_compile_options(fewstep_own_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-march=native>)
endif()

# The host compiler's optimisation of CUDA files in this folder, in place of the preset's: nvcc takes one -O only.
function(fewstep_cuda_optimization option)
  string(TOUPPER "CMAKE_CUDA_FLAGS_${CMAKE_BUILD_TYPE}" flags)
  string(REGEX REPLACE "-O[0-9]" ${option} replaced "${${flags}}")
  set(${flags} ${replaced} PARENT_SCOPE)
endfunction()

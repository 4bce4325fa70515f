# SPDX-License-Identifier: Apache-2.0
# What fewstep takes from other packages; used by the build and by the installed package. A target that the project has
# already, of a package of its own say, is taken as it is. fewstep::fewstep itself needs
#   fewstep::threads     OpenMP, or one thread with FEWSTEP_NO_OPENMP=ON; or with AUTO, where there is no OpenMP
# and ${fewstep_missing} says what it lacks. The components are fewstep::fewstep plus what some of the headers include:
#   fewstep::io          fewstep/io, model_file           nlohmann_json
#   fewstep::image       fewstep/image                    libjpeg, libpng; with fewstep::io, fewstep/pair_file
#   fewstep::eigen       fewstep/eigen.hpp, set_reward    Eigen 3.4 or newer
#   fewstep::benchmark   fewstep/testing/benchmark.hpp    Google Benchmark
#   fewstep::cuda        fewstep/cuda                     CUDA's nvcc, libraries and headers
# There is a target where its packages are found.

set(fewstep_components io image eigen benchmark cuda)
set(fewstep_openmp_needs "OpenMP (part of g++; Debian package libomp-19-dev for clang++-19)")
set(fewstep_io_needs "nlohmann_json 3.10 (Debian package nlohmann-json3-dev)")
set(fewstep_image_needs "libjpeg and libpng (Debian packages libjpeg-dev and libpng-dev)")
set(fewstep_eigen_needs "Eigen 3.4 or newer (Debian package libeigen3-dev)")
set(fewstep_benchmark_needs "Google Benchmark 1.7 (Debian package libbenchmark-dev)")
set(fewstep_cuda_needs
  "NVIDIA's CUDA toolkit 13 or newer (developer.nvidia.com/cuda-downloads), nvcc being in PATH or in CUDACXX")

# TARGET PACKAGE...: looks for a package by find_package unless the target is there.
macro(fewstep_find target)
  if(NOT TARGET ${target})
    find_package(${ARGN} QUIET)
  endif()
endmacro()

# NAME TARGET...: makes fewstep::NAME, if it is not there, where all the targets are.
function(fewstep_component name)
  foreach(target IN LISTS ARGN)
    if(NOT TARGET ${target})
      return()
    endif()
  endforeach()
  if(NOT TARGET fewstep::${name})
    add_library(fewstep::${name} INTERFACE IMPORTED)
    target_link_libraries(fewstep::${name} INTERFACE fewstep::fewstep ${ARGN})
  endif()
endfunction()

# OpenMP, or Threads::Threads for one thread.
set(fewstep_threads Threads::Threads)
if(NOT FEWSTEP_NO_OPENMP OR FEWSTEP_NO_OPENMP STREQUAL "AUTO")
  fewstep_find(OpenMP::OpenMP_CXX OpenMP COMPONENTS CXX)
  if(TARGET OpenMP::OpenMP_CXX OR NOT FEWSTEP_NO_OPENMP)
    set(fewstep_threads OpenMP::OpenMP_CXX)
  else()
    message(STATUS "fewstep: one thread; more than one needs ${fewstep_openmp_needs}")
  endif()
endif()
if(fewstep_threads STREQUAL "Threads::Threads")
  fewstep_find(Threads::Threads Threads)
endif()
set(fewstep_missing)
if(NOT TARGET ${fewstep_threads})
  set(fewstep_missing "${fewstep_openmp_needs}, or FEWSTEP_NO_OPENMP=ON for one thread")
elseif(NOT TARGET fewstep::threads)
  add_library(fewstep::threads INTERFACE IMPORTED)
  target_link_libraries(fewstep::threads INTERFACE ${fewstep_threads})
  target_compile_definitions(fewstep::threads
    INTERFACE $<$<STREQUAL:${fewstep_threads},Threads::Threads>:FEWSTEP_NO_OPENMP>)
endif()

fewstep_find(nlohmann_json::nlohmann_json nlohmann_json 3.10)
fewstep_component(io nlohmann_json::nlohmann_json)

fewstep_find(JPEG::JPEG JPEG)
fewstep_find(PNG::PNG PNG)
fewstep_component(image JPEG::JPEG PNG::PNG)

# Asked for 3.4, a package of Eigen 5 says that it is another.
fewstep_find(Eigen3::Eigen Eigen3 NO_MODULE)
if(Eigen3_VERSION AND Eigen3_VERSION VERSION_LESS 3.4)
  string(APPEND fewstep_eigen_needs "; this is ${Eigen3_VERSION}")
else()
  fewstep_component(eigen Eigen3::Eigen)
endif()

fewstep_find(benchmark::benchmark benchmark 1.7)
fewstep_component(benchmark benchmark::benchmark)

# With CUDA among a project's languages this is the toolkit of its compiler. CUDA's runtime comes with the language.
# CMake 3.23 does not know the flag for C++20 of nvcc 12 and newer.
find_package(CUDAToolkit 13 QUIET)
if(CUDAToolkit_FOUND)
  fewstep_component(cuda CUDA::cublasLt)
endif()
if(TARGET fewstep::cuda)
  target_compile_options(fewstep::cuda INTERFACE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-std=c++20>
    $<$<AND:$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>,$<STREQUAL:${fewstep_threads},OpenMP::OpenMP_CXX>>:-Xcompiler=-fopenmp>)
endif()

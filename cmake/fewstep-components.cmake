# SPDX-License-Identifier: Apache-2.0
# What fewstep takes from other packages; used by the build and by the installed package. A target that the project has
# already, of a package of its own say, is taken as it is.
#   Eigen3::Eigen        Eigen 3.4 or newer; fewstep::fewstep links to it
#   fewstep::threads     OpenMP, or with FEWSTEP_NO_OPENMP one thread; fewstep::fewstep links to it
# The components are fewstep::fewstep plus what some of the headers include:
#   fewstep::io          fewstep/io               nlohmann_json
#   fewstep::image       fewstep/image            libjpeg, libpng
#   fewstep::benchmark   fewstep/benchmark.hpp    Google Benchmark
#   fewstep::cuda        fewstep/cuda             CUDA's nvcc, libraries and headers
# A target exists when its packages are found. ${fewstep_missing} says what fewstep::fewstep itself lacks.

set(fewstep_components io image benchmark cuda)
set(fewstep_eigen_needs "Eigen 3.4 or newer (Debian package libeigen3-dev)")
set(fewstep_threads_needs
  "OpenMP (part of g++; Debian package libomp-19-dev for clang++-19), or FEWSTEP_NO_OPENMP=ON for one thread")
set(fewstep_io_needs "nlohmann_json 3.10 (Debian package nlohmann-json3-dev)")
set(fewstep_image_needs "libjpeg and libpng (Debian packages libjpeg62-turbo-dev and libpng-dev)")
set(fewstep_benchmark_needs "Google Benchmark 1.7 (Debian package libbenchmark-dev)")
set(fewstep_cuda_needs
  "NVIDIA's CUDA toolkit 13 or newer (developer.nvidia.com/cuda-downloads), nvcc being in PATH or in CUDACXX")

# TARGET PACKAGE...: looks for a package by find_package unless the target is there.
macro(fewstep_find target)
  if(NOT TARGET ${target})
    find_package(${ARGN} QUIET)
  endif()
endmacro()

# Asked for 3.4, a package of Eigen 5 says that it is another.
set(fewstep_missing)
fewstep_find(Eigen3::Eigen Eigen3 NO_MODULE)
if(NOT TARGET Eigen3::Eigen)
  set(fewstep_missing "${fewstep_eigen_needs}")
elseif(Eigen3_VERSION AND Eigen3_VERSION VERSION_LESS 3.4)
  set(fewstep_missing "${fewstep_eigen_needs}; this is ${Eigen3_VERSION}")
endif()

if(FEWSTEP_NO_OPENMP)
  set(fewstep_threads Threads::Threads)
  fewstep_find(${fewstep_threads} Threads)
else()
  set(fewstep_threads OpenMP::OpenMP_CXX)
  fewstep_find(${fewstep_threads} OpenMP COMPONENTS CXX)
endif()
if(TARGET ${fewstep_threads} AND NOT TARGET fewstep::threads)
  add_library(fewstep::threads INTERFACE IMPORTED GLOBAL)
  target_link_libraries(fewstep::threads INTERFACE ${fewstep_threads})
  target_compile_definitions(fewstep::threads INTERFACE $<$<BOOL:${FEWSTEP_NO_OPENMP}>:FEWSTEP_NO_OPENMP>)
endif()
if(NOT TARGET fewstep::threads)
  if(fewstep_missing)
    string(APPEND fewstep_missing ", and ")
  endif()
  string(APPEND fewstep_missing "${fewstep_threads_needs}")
endif()

fewstep_find(nlohmann_json::nlohmann_json nlohmann_json 3.10)
if(TARGET nlohmann_json::nlohmann_json AND NOT TARGET fewstep::io)
  add_library(fewstep::io INTERFACE IMPORTED GLOBAL)
  target_link_libraries(fewstep::io INTERFACE fewstep::fewstep nlohmann_json::nlohmann_json)
endif()

fewstep_find(JPEG::JPEG JPEG)
fewstep_find(PNG::PNG PNG)
if(TARGET JPEG::JPEG AND TARGET PNG::PNG AND NOT TARGET fewstep::image)
  add_library(fewstep::image INTERFACE IMPORTED GLOBAL)
  target_link_libraries(fewstep::image INTERFACE fewstep::fewstep JPEG::JPEG PNG::PNG)
endif()

fewstep_find(benchmark::benchmark benchmark 1.7)
if(TARGET benchmark::benchmark AND NOT TARGET fewstep::benchmark)
  add_library(fewstep::benchmark INTERFACE IMPORTED GLOBAL)
  target_link_libraries(fewstep::benchmark INTERFACE fewstep::fewstep benchmark::benchmark)
endif()

# With CUDA among a project's languages this is the toolkit of its compiler. CUDA's runtime comes with the language.
# CMake 3.25 does not know the flag for C++20 of nvcc 12 and newer.
find_package(CUDAToolkit 13 QUIET)
if(CUDAToolkit_FOUND AND TARGET CUDA::cublasLt AND NOT TARGET fewstep::cuda)
  add_library(fewstep::cuda INTERFACE IMPORTED GLOBAL)
  target_link_libraries(fewstep::cuda INTERFACE fewstep::fewstep CUDA::cublasLt)
  target_compile_options(fewstep::cuda INTERFACE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-std=c++20>
    $<$<AND:$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>,$<NOT:$<BOOL:${FEWSTEP_NO_OPENMP}>>>:-Xcompiler=-fopenmp>)
endif()

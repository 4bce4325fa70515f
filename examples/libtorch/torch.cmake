# SPDX-License-Identifier: Apache-2.0
# Target fewstep_libtorch where libtorch is found (Debian package libtorch-dev) and the compiler takes its headers.
include_guard(GLOBAL)

# Caffe2's configuration is not silent.
set(CMAKE_MESSAGE_LOG_LEVEL WARNING)
find_package(Torch QUIET)
unset(CMAKE_MESSAGE_LOG_LEVEL)

if(NOT Torch_FOUND)
  message(STATUS "fewstep: no libtorch (Debian package libtorch-dev), so its example and test are left out")
elseif(CMAKE_CXX_COMPILER_ID MATCHES Clang AND Torch_VERSION VERSION_LESS 2)
  message(STATUS "fewstep: clang++ refuses the headers of libtorch ${Torch_VERSION} in C++20 (a std::vector of an "
    "incomplete type), so its example and test are left out; g++ takes them")
else()
  add_library(fewstep_libtorch INTERFACE)
  target_link_libraries(fewstep_libtorch INTERFACE ${TORCH_LIBRARIES})
endif()

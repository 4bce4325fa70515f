# SPDX-License-Identifier: Apache-2.0
# Target fewstep_libtorch, for the folder that includes this, where libtorch is found (Debian package libtorch-dev) and
# the compiler takes its headers.

# Caffe2's configuration is not silent.
set(CMAKE_MESSAGE_LOG_LEVEL WARNING)
set(FPHSA_NAME_MISMATCHED TRUE)
find_package(Torch QUIET)
unset(FPHSA_NAME_MISMATCHED)
unset(CMAKE_MESSAGE_LOG_LEVEL)

cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE folder)
if(NOT Torch_FOUND)
  message(STATUS "fewstep: ${folder} does without libtorch (Debian package libtorch-dev)")
elseif(CMAKE_CXX_COMPILER_ID MATCHES Clang AND Torch_VERSION VERSION_LESS 2)
  message(STATUS "fewstep: ${folder} does without libtorch: clang++ refuses the headers of libtorch ${Torch_VERSION} in "
    "C++20 (a std::vector of an incomplete type); g++ takes them")
else()
  add_library(fewstep_libtorch INTERFACE IMPORTED)
  target_link_libraries(fewstep_libtorch INTERFACE ${TORCH_LIBRARIES})
endif()

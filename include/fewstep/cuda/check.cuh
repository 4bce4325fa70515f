// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>

#include <cuda_runtime_api.h>

#include <source_location>
#include <stdexcept>
#include <string_view>

namespace fewstep::detail {

/// Throws std::runtime_error unless `status` is success: the call that failed, CUDA's name and text for the error, and
/// file and line of the check.
inline void check_cuda(cudaError_t status, std::string_view call,
                       const std::source_location& where = std::source_location::current()) {
  if (status == cudaSuccess) return;
  const std::string_view path = where.file_name();
  throw std::runtime_error(message("CUDA: ", call, " failed: ", cudaGetErrorString(status), " (",
                                   cudaGetErrorName(status), ") [", path.substr(path.rfind('/') + 1), ":", where.line(),
                                   "]"));
}

}  // namespace fewstep::detail

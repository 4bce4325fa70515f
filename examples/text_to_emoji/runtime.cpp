// SPDX-License-Identifier: Apache-2.0
#include "runtime.hpp"

#include <fewstep/core/error.hpp>

#include <stdexcept>

namespace text_to_emoji {

std::unique_ptr<runtime> make_runtime(const std::string& backend, int threads) {
  if (backend == "cpu") return make_cpu_runtime(threads);
  const bool is_known = backend == "cuda" || backend == "emulated";
  fewstep::expects(is_known, [&] { return fewstep::message("there is no backend '", backend, "'; use cpu or cuda"); });
#if defined(TEXT_TO_EMOJI_CUDA)
  if (backend == "cuda") return make_cuda_runtime();
  return make_emulated_runtime();
#else
  throw std::runtime_error(
      "this text_to_emoji was built without CUDA; configure with -DFEWSTEP_CUDA=ON (nvcc 13) or use --backend cpu");
#endif
}

}  // namespace text_to_emoji

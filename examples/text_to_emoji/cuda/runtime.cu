// SPDX-License-Identifier: Apache-2.0
#include "../runtime_on.hpp"

#include <fewstep/cuda/backend.cuh>

namespace text_to_emoji {

std::unique_ptr<runtime> make_cuda_runtime() {
  return std::make_unique<runtime_on<fewstep::cuda_backend>>(fewstep::cuda_backend::options{});
}

std::unique_ptr<runtime> make_emulated_runtime() {
  return std::make_unique<runtime_on<fewstep::emulated_backend>>(fewstep::emulated_backend::options{});
}

}  // namespace text_to_emoji

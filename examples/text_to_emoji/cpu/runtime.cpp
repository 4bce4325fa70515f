// SPDX-License-Identifier: Apache-2.0
#include "../runtime_on.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace text_to_emoji {

std::unique_ptr<runtime> make_cpu_runtime(int threads) {
  return std::make_unique<runtime_on<fewstep::cpu_backend>>(fewstep::cpu_backend::options{.threads = threads});
}

}  // namespace text_to_emoji

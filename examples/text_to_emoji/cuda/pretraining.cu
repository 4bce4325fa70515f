// SPDX-License-Identifier: Apache-2.0
#include "../pretraining_on.hpp"

#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/consistency.cuh>
#include <fewstep/cuda/parameters.cuh>

namespace text_to_emoji {

template std::unique_ptr<pretraining> runtime_on<fewstep::cuda_backend>::pretrain(const pretrain_settings&,
                                                                                  const emoji_data&);
template std::unique_ptr<pretraining> runtime_on<fewstep::emulated_backend>::pretrain(const pretrain_settings&,
                                                                                      const emoji_data&);

}  // namespace text_to_emoji

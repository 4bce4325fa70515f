// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.cuh"
#include "../../compiled_kernels/kernels.hpp"
#include "../pretraining_on.hpp"

namespace text_to_emoji {

template std::unique_ptr<pretraining> runtime_on<fewstep::cuda_backend>::pretrain(const pretrain_settings&,
                                                                                  const emoji_data&);
template std::unique_ptr<pretraining> runtime_on<fewstep::emulated_backend>::pretrain(const pretrain_settings&,
                                                                                      const emoji_data&);

}  // namespace text_to_emoji

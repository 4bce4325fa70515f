// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.cuh"
#include "../../compiled_kernels/kernels.hpp"
#include "../finetuning_on.hpp"

namespace text_to_emoji {

template std::unique_ptr<finetuning> runtime_on<fewstep::cuda_backend>::finetune(const finetune_settings&,
                                                                                 const emoji_data&);
template std::unique_ptr<finetuning> runtime_on<fewstep::emulated_backend>::finetune(const finetune_settings&,
                                                                                     const emoji_data&);

}  // namespace text_to_emoji

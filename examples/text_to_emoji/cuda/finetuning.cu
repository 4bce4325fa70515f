// SPDX-License-Identifier: Apache-2.0
#include "../finetuning_on.hpp"

#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/parameters.cuh>
#include <fewstep/cuda/score.cuh>
#include <fewstep/cuda/transition.cuh>

namespace text_to_emoji {

template std::unique_ptr<finetuning> runtime_on<fewstep::cuda_backend>::finetune(const finetune_settings&,
                                                                                 const emoji_data&);
template std::unique_ptr<finetuning> runtime_on<fewstep::emulated_backend>::finetune(const finetune_settings&,
                                                                                     const emoji_data&);

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.cuh"
#include "../../compiled_kernels/kernels.hpp"
#include "../finetuning_on.hpp"
#include "../first_gradient_on.hpp"
#include "../pretraining_on.hpp"

namespace text_to_emoji {

template std::unique_ptr<pretraining> runtime_on<fewstep::cuda_backend>::pretrain(const pretrain_settings&,
                                                                                  const emoji_data&);
template std::unique_ptr<pretraining> runtime_on<fewstep::emulated_backend>::pretrain(const pretrain_settings&,
                                                                                      const emoji_data&);

template std::unique_ptr<finetuning> runtime_on<fewstep::cuda_backend>::finetune(const finetune_settings&,
                                                                                 const emoji_data&);
template std::unique_ptr<finetuning> runtime_on<fewstep::emulated_backend>::finetune(const finetune_settings&,
                                                                                     const emoji_data&);

template gradient_outcome runtime_on<fewstep::cuda_backend>::first_gradient(const finetune_settings&, const emoji_data&,
                                                                            const gradient_variant&);
template gradient_outcome runtime_on<fewstep::emulated_backend>::first_gradient(const finetune_settings&,
                                                                                const emoji_data&,
                                                                                const gradient_variant&);

}  // namespace text_to_emoji

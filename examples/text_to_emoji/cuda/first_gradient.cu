// SPDX-License-Identifier: Apache-2.0
#include "../../compiled_kernels/kernels.cuh"
#include "../../compiled_kernels/kernels.hpp"
#include "../first_gradient_on.hpp"

namespace text_to_emoji {

template gradient_outcome runtime_on<fewstep::cuda_backend>::first_gradient(const finetune_settings&, const emoji_data&,
                                                                            const gradient_variant&);
template gradient_outcome runtime_on<fewstep::emulated_backend>::first_gradient(const finetune_settings&,
                                                                                const emoji_data&,
                                                                                const gradient_variant&);

}  // namespace text_to_emoji

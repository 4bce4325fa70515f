// SPDX-License-Identifier: Apache-2.0
#include "../finetuning_on.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace text_to_emoji {

template std::unique_ptr<finetuning> runtime_on<fewstep::cpu_backend>::finetune(const finetune_settings&,
                                                                                const emoji_data&);

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include "../pretraining_on.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace text_to_emoji {

template std::unique_ptr<pretraining> runtime_on<fewstep::cpu_backend>::pretrain(const pretrain_settings&,
                                                                                 const emoji_data&);

}  // namespace text_to_emoji

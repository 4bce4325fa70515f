// SPDX-License-Identifier: Apache-2.0
#include "../first_gradient_on.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace text_to_emoji {

template gradient_outcome runtime_on<fewstep::cpu_backend>::first_gradient(const finetune_settings&, const emoji_data&,
                                                                           const gradient_variant&);

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include "drawing.hpp"

namespace text_to_emoji {

finetune_settings settled(finetune_settings s) {
  if (s.times.empty() && s.horizon > 0) s.times = times_for(s.horizon);
  s.horizon = s.times.empty() ? s.horizon : static_cast<int>(s.times.size());
  if (s.first_trained == -1) s.first_trained = s.kl > 0 && s.horizon > 2 ? 1 : 0;
  if (s.reward_model.empty() && s.task == "alignment") s.reward_model = default_two_tower;
  if (s.reward_model.empty() && s.task == "preference") s.reward_model = default_preference;
  return s;
}

}  // namespace text_to_emoji

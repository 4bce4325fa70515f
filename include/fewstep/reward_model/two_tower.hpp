// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/reward_model/reward_model.hpp>
#include <fewstep/reward_model/two_tower_network.hpp>

namespace fewstep {

/// Pictures and texts in one space; see two_tower_network. Trained by contrastive_training, used as a reward by
/// alignment_reward.
template <class Backend>
using two_tower = reward_model<Backend, two_tower_network<float>>;

}  // namespace fewstep

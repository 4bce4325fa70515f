// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/judge/judge_model.hpp>
#include <fewstep/judge/two_tower_network.hpp>

namespace fewstep {

/// Pictures and texts in one space; see two_tower_network. Trained by contrastive_training, used as a reward by
/// alignment_reward.
template <class Backend>
using two_tower = judge_model<Backend, two_tower_network<float>>;

}  // namespace fewstep

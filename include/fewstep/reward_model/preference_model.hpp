// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/reward_model/preference_network.hpp>
#include <fewstep/reward_model/reward_model.hpp>

namespace fewstep {

/// Scalar reward model of pictures; see preference_network. Trained by preference_training, used by preference_reward.
/// A model that reads no texts takes an empty vocabulary.
template <class Backend>
using preference_model = reward_model<Backend, preference_network<float>>;

}  // namespace fewstep

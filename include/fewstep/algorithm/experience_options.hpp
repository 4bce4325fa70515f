// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/mdp/state_storage.hpp>
#include <fewstep/reward/check.hpp>

#include <cstdint>
#include <string_view>

namespace fewstep {

/// Which update experience is collected for: all randomness follows from it.
struct experience_key {
  std::uint64_t seed = 0;
  std::int64_t update = 0;
};

/// What an experience is made of.
struct experience_options {
  int prompts = 1;
  int samples_per_prompt = 1;
  bool shared_initial_noise = false;  ///< the samples of a prompt start from the same state
  bool keeps_outputs = false;         ///< see trajectory_options
  state_storage store_states_as = state_storage::float32;
  reward_check rewards{};
  int least_together = 1;                  ///< samples of a prompt that can be learned from; fewer are left out too
  std::string_view caller = "experience";  ///< the trainer that complaints are made in the name of
};

}  // namespace fewstep

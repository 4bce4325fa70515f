// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/reward/step_reward.hpp>

#include <cstdint>
#include <span>

/// The smallest model of fewstep::step_reward, and models that lack one requirement each.
namespace step_reward_archetype {

using fewstep::rated_step;

enum class drop { nothing, call, result, context };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  void operator()(const rated_step&, std::span<const std::int32_t>, std::span<float>) requires(D == drop::nothing);
  float operator()(const rated_step&, std::span<const std::int32_t>, std::span<float>) requires(D == drop::result);
  void operator()(const rated_step&, std::span<const float>, std::span<float>) requires(D == drop::context);
};

}  // namespace step_reward_archetype

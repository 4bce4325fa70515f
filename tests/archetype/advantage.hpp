// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>

#include <cstdint>
#include <span>

/// The smallest model of fewstep::advantage, and models that lack one requirement each.
namespace advantage_archetype {

using rewards_type = std::span<const float>;
using prompts_type = std::span<const std::int32_t>;
using out_type = std::span<float>;

enum class drop { nothing, call, result, mutable_rewards, mutable_prompts, out, copy };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) requires(D != drop::copy) = default;
  archetype& operator=(const archetype&) requires(D != drop::copy) = default;

  void operator()(rewards_type, prompts_type, out_type) requires(D == drop::nothing || D == drop::copy);
  float operator()(rewards_type, prompts_type, out_type) requires(D == drop::result);
  void operator()(std::span<float>, prompts_type, out_type) requires(D == drop::mutable_rewards);
  void operator()(rewards_type, std::span<std::int32_t>, out_type) requires(D == drop::mutable_prompts);
  void operator()(rewards_type, prompts_type) requires(D == drop::out);
};

}  // namespace advantage_archetype

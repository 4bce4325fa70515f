// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/advantage/prompt_history.hpp>
#include <fewstep/core/settings.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace fewstep {

/// Per-prompt stat tracking: standardisation over the last rewards of each prompt, across updates. Black et al. 2023
/// (arXiv:2305.13301), section 4, whose code calls it so (PerPromptStatTracker), as used by RLCM (Oertell et al. 2024,
/// arXiv:2404.03673).
///
/// The batch's rewards are pushed first, so a sample is part of its own baseline. A prompt with fewer than `min_count`
/// rewards kept takes mean and std of the whole batch, else those of its ring; A = (r - mean) / (std + epsilon) with
/// the population std, clipped to [-clip, clip].
struct prompt_buffer_advantage {
  int capacity = 16;  ///< rewards kept per prompt
  int min_count = 16;
  float clip = 10.0f;
  float epsilon = 1e-6f;
  prompt_history history{};  ///< the memory; starts empty and is left out of initialisers

  static constexpr std::string_view name = "prompt_buffer_advantage";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("capacity", capacity, at_least(1));
    visit("min_count", min_count, between(1, capacity).remark("capacity is the most that a prompt's statistics have"));
    visit("clip", clip, above(0).or_infinite());
    visit("epsilon", epsilon, at_least(0));
  }

  void operator()(std::span<const float> rewards, std::span<const std::int32_t> prompts, std::span<float> out) {
    detail::check_advantage_call(*this, rewards, prompts, out);
    for (std::size_t i = 0; i < rewards.size(); ++i) history.push(prompts[i], rewards[i], capacity);
    const auto of_batch = detail::statistics(rewards);
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      const std::span<const float> kept = history.rewards(prompts[i]);
      const bool enough = kept.size() >= static_cast<std::size_t>(min_count);
      out[i] = detail::standardized(rewards[i], enough ? detail::statistics(kept) : of_batch, epsilon, clip);
    }
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive("history", history);
  }
};

static_assert(advantage<prompt_buffer_advantage>);

}  // namespace fewstep

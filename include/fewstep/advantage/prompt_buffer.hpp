// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/advantage/prompt_history.hpp>
#include <fewstep/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace fewstep {

/// Per-prompt standardisation over the last rewards of each prompt, across updates: Black et al. 2023
/// (arXiv:2305.13301), section 4, as used by RLCM (Oertell et al. 2024, arXiv:2404.03673).
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

  void operator()(std::span<const float> rewards, std::span<const std::int32_t> prompts, std::span<float> out) {
    detail::check_advantage_call("prompt_buffer_advantage", rewards, prompts, out, clip, epsilon);
    expects(min_count >= 1 && min_count <= capacity, [&] {
      return message("prompt_buffer_advantage: min_count is ", min_count, " but capacity is ", capacity,
                     "; with 1 <= min_count <= capacity a prompt's own statistics can come into use");
    });
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
    if constexpr (requires { archive.must_match("capacity", capacity); }) archive.must_match("capacity", capacity);
    archive("history", history);
  }
};

static_assert(advantage<prompt_buffer_advantage>);

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/core/settings.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace fewstep {

/// A = (r - mean) / (std + epsilon) over the whole batch, population std, clipped: DDPO without per-prompt statistics
/// (Black et al. 2023, arXiv:2305.13301, section 4), with the constants of its PyTorch version. Rewards of equal value
/// give 0.
struct batch_advantage {
  float clip = 5.0f;
  float epsilon = 1e-8f;

  static constexpr std::string_view name = "batch_advantage";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("clip", clip, above(0).or_infinite());
    visit("epsilon", epsilon, at_least(0));
  }

  void operator()(std::span<const float> rewards, std::span<const std::int32_t> prompts, std::span<float> out) const {
    detail::check_advantage_call(*this, rewards, prompts, out);
    const auto of_batch = detail::statistics(rewards);
    for (std::size_t i = 0; i < rewards.size(); ++i) out[i] = detail::standardized(rewards[i], of_batch, epsilon, clip);
  }

  /// There is no memory between calls.
  template <class Archive>
  void serialize(Archive&) {}
};

static_assert(advantage<batch_advantage>);

}  // namespace fewstep

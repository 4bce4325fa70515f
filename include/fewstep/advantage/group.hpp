// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

/// What group_advantage divides by.
enum class group_scale : std::uint8_t {
  group_std,  ///< population std of the prompt's own samples
  batch_std,  ///< population std of the whole batch
  none        ///< nothing
};

/// A = (r - mean of the group) / (std + epsilon), clipped; a group is all samples of one prompt in the batch, wherever
/// they stand. Group-relative advantages of GRPO (Shao et al. 2024, arXiv:2402.03300, section 4.1), with the batch's
/// std as an option as in Flow-GRPO (Liu et al. 2025, arXiv:2505.05470), or the mean alone (Liu et al. 2025,
/// arXiv:2503.20783). A group of one sample has no baseline but itself and is refused.
struct group_advantage {
  static constexpr int least_samples_per_prompt = 2;
  group_scale scale = group_scale::group_std;
  float clip = 10.0f;
  float epsilon = 1e-4f;
  std::vector<std::int32_t> order{};  ///< scratch, left out of initialisers
  std::vector<float> grouped{};       ///< scratch, left out of initialisers

  static constexpr std::string_view name = "group_advantage";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("scale", scale);
    visit("clip", clip, above(0).or_infinite());
    visit("epsilon", epsilon, at_least(0));
  }

  void operator()(std::span<const float> rewards, std::span<const std::int32_t> prompts, std::span<float> out) {
    detail::check_advantage_call(*this, rewards, prompts, out);
    const std::size_t n = rewards.size();
    order.resize(n);
    grouped.resize(n);
    std::iota(order.begin(), order.end(), std::int32_t{0});
    const auto prompt_of = [&](std::int32_t sample) { return prompts[static_cast<std::size_t>(sample)]; };
    if (!std::is_sorted(prompts.begin(), prompts.end()))
      std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        return prompt_of(a) != prompt_of(b) ? prompt_of(a) < prompt_of(b) : a < b;
      });
    for (std::size_t i = 0; i < n; ++i) grouped[i] = rewards[static_cast<std::size_t>(order[i])];
    const double fixed_deviation = scale == group_scale::batch_std ? detail::statistics(rewards).deviation : 1.0;

    for (std::size_t first = 0, last = 0; first < n; first = last) {
      while (last < n && prompt_of(order[last]) == prompt_of(order[first])) ++last;
      expects(last - first > 1, [&] {
        return message("group_advantage: prompt ", prompt_of(order[first]),
                       " has one sample in the batch, which is its own mean and learns nothing; draw at least 2 "
                       "samples per prompt, or use prompt_buffer_advantage");
      });
      auto of_group = detail::statistics(std::span<const float>(grouped).subspan(first, last - first));
      if (scale != group_scale::group_std) of_group.deviation = fixed_deviation;
      for (std::size_t i = first; i < last; ++i)
        out[static_cast<std::size_t>(order[i])] =
            detail::standardized(grouped[i], of_group, scale == group_scale::none ? 0.0f : epsilon, clip);
    }
  }

  /// There is no memory between calls.
  template <class Archive>
  void serialize(Archive&) {}
};

static_assert(advantage<group_advantage>);

}  // namespace fewstep

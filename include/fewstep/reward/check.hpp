// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>

namespace fewstep {

/// Throws std::runtime_error naming the first sample whose reward is NaN or infinite.
/// Called before advantages are formed, so that such a reward reaches neither the statistics nor a parameter.
inline void require_finite(std::span<const float> rewards) {
  for (std::size_t i = 0; i < rewards.size(); ++i)
    if (!std::isfinite(rewards[i]))
      throw std::runtime_error(message("the reward of sample ", i, " of ", rewards.size(), " is ", rewards[i],
                                       "; rewards must be finite: check what the reward computes for this sample"));
}

namespace detail {

/// Refuses a batch whose three arguments do not speak of the same number of samples.
inline void expect_reward_batch(matrix<const float> samples, std::size_t contexts, std::size_t out) {
  const auto rows = static_cast<std::size_t>(samples.rows());
  expects(contexts == rows && out == rows, [&] {
    return message("reward: samples are [", samples.rows(), ", ", samples.cols(), "] but there are ", contexts,
                   " contexts and room for ", out, " rewards; all three need one entry for each sample");
  });
}

}  // namespace detail
}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>

namespace fewstep {

/// What becomes of a sample whose reward is NaN or infinite.
enum class non_finite : std::uint8_t {
  refuse,    ///< the update stops, and every retry at the same sample
  leave_out  ///< the update is made without the sample, as if it had not been drawn
};

/// How rewards are checked before they are learned from, which the options of an algorithm say:
/// .batch = {.rewards = {.when_not_finite = non_finite::leave_out}}.
struct reward_check {
  non_finite when_not_finite = non_finite::refuse;
  float at_most = 0.1f;  ///< share of the rewards that may be not finite, this share included; more stop the update

  static constexpr std::string_view name = "reward_check";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.not_compared("when_not_finite", when_not_finite);
    visit.not_compared("at_most", at_most, between(0, 1));
  }
};

/// Number of rewards that are NaN or infinite. Throws std::runtime_error naming the first of them where the check
/// refuses it, where they are more than its share, or where no other reward is there.
/// Called before advantages are formed, so that such a reward reaches neither the statistics nor a parameter.
/// `setting` is what a user knows `check` as, for messages.
inline std::size_t count_non_finite(std::span<const float> rewards, const reward_check& check,
                                    std::string_view setting = "check") {
  std::size_t count = 0, first = 0;
  for (std::size_t i = rewards.size(); i > 0; --i)
    if (!std::isfinite(rewards[i - 1])) {
      first = i - 1;
      ++count;
    }
  if (count == 0) return 0;
  const auto refuse = [&](const auto&... remedy) {
    throw std::runtime_error(
        message("the reward of sample ", first, " of ", rewards.size(), " is ", rewards[first], remedy...));
  };
  if (check.when_not_finite == non_finite::refuse)
    refuse("; rewards must be finite: check what the reward computes for this sample, or leave such samples out by ",
           setting, " = {.when_not_finite = non_finite::leave_out}");
  // Rounded as the bound was: 3 of 30 are a share of 0.1f.
  const auto share = static_cast<float>(static_cast<double>(count) / static_cast<double>(rewards.size()));
  if (count == rewards.size() || share > check.at_most)
    refuse(", the first of ", count, " that are not finite; at most a share of ", check.at_most, " may be so (",
           setting, ".at_most): check what the reward computes");
  return count;
}

/// Throws std::runtime_error naming the first sample whose reward is NaN or infinite.
inline void require_finite(std::span<const float> rewards) { count_non_finite(rewards, {}); }

/// Throws std::runtime_error naming the first value of samples[B, D] that is NaN or infinite: then the generator has
/// made it so, and no reward is to blame.
inline void require_finite_samples(matrix<const float> samples) {
  for (index_t i = 0; i < samples.rows(); ++i)
    for (index_t d = 0; d < samples.cols(); ++d)
      if (!std::isfinite(samples(i, d)))
        throw std::runtime_error(message("value ", d, " of sample ", i, " of ", samples.rows(), " is ", samples(i, d),
                                         ": the generator made it, and no reward can rate it; check its parameters "
                                         "(a learning rate may be too large), its contexts and the decoder"));
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

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/pair_judge.hpp>
#include <fewstep/reward/reward.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

struct threshold_judge_options {
  std::optional<float> at{};  ///< what a good sample's reward is above; not given: the median of the samples

  static constexpr std::string_view name = "threshold_judge";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("at", at);
  }
};

/// Shares out samples between D+ and D- one by one, by what `rewards` says of each: 1 above the threshold, -1 below it,
/// and 0 at it. Throws std::invalid_argument where one of the two would be empty, and for a reward that is not finite.
inline void label_by_threshold(std::span<const float> rewards, std::span<float> labels,
                               const threshold_judge_options& o = {}) {
  constexpr std::string_view who = threshold_judge_options::name;
  expects(!rewards.empty() && rewards.size() == labels.size(), [&] {
    return message(who, ": there are ", rewards.size(), " rewards and ", labels.size(),
                   " labels; give one for each sample, and at least one sample");
  });
  const auto bad = std::ranges::find_if(rewards, [](float r) { return !std::isfinite(r); });
  expects(bad == rewards.end(), [&] {
    return message(who, ": the reward of sample ", bad - rewards.begin(), " is ", *bad, "; it must be finite");
  });
  std::vector<float> sorted(rewards.begin(), rewards.end());
  std::ranges::sort(sorted);
  const std::size_t half = sorted.size() / 2;
  const float median = sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  const float at = o.at.value_or(median);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = rewards[i] > at ? 1.0f : rewards[i] < at ? -1.0f : 0.0f;
  const auto expect_some = [&](std::string_view set, float label, std::string_view side, std::string_view change) {
    expects(std::ranges::find(labels, label) != labels.end(), [&] {
      return message(who, ": ", set, " is empty, as no reward of ", rewards.size(), " samples is ", side, " ", at,
                     " (they are ", sorted.front(), " to ", sorted.back(), "); ", change, " `at`, or leave it out for ",
                     "the median of samples that differ");
    });
  };
  expect_some("D+", 1, "above", "lower");
  expect_some("D-", -1, "below", "raise");
}

/// Judges samples one by one by a reward and a threshold; goes with judged_samples.
///
///   threshold_judge(std::ref(reward))                        threshold_judge(std::ref(reward), {.at = 0.5f})
template <class Reward>
class threshold_judge {
 public:
  explicit threshold_judge(Reward reward, threshold_judge_options o = {})
      : reward_(std::move(reward)), options_(checked(o)) {}

  static constexpr std::string_view name = threshold_judge_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit.part("reward", reward_);
  }

  template <class Context>
  requires reward<Reward, Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, matrix<float> labels) {
    detail::expect_one_segment(name, labels);
    std::vector<float> rewards(contexts.size());
    reward_(samples, contexts, std::span<float>(rewards));
    label_by_threshold(rewards, {labels.data, rewards.size()}, options_);
  }

 private:
  Reward reward_;
  threshold_judge_options options_;
};

}  // namespace fewstep

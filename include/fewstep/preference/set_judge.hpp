// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/feature_set.hpp>
#include <fewstep/preference/greedy_swap.hpp>
#include <fewstep/preference/pair_judge.hpp>
#include <fewstep/preference/set_reward.hpp>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace fewstep {

/// A pair_judge that looks at all pairs of an update at once: their members' features are shared out between D+ and D-
/// by greedy_swap, and of each pair the member in D+ is the winner.
///
///   set_judge judge(std::ref(alignment), frechet_reward(feature_set(exemplars)));
///   labelled_pairs pairs(sampled_pairs(backend, model, consistency_sampler{}, prompts), judge);
template <class Encoder, class Reward>
class set_judge {
 public:
  set_judge(Encoder encoder, Reward reward, greedy_swap_options o = {})
      : encoder_(std::move(encoder)), reward_(std::move(reward)), options_(checked(o)) {}

  static constexpr std::string_view name = "set_judge";
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit.part("encoder", encoder_);
    visit.part("reward", reward_);
  }

  template <class Context>
  void operator()(matrix<const float> first, matrix<const float> second, std::span<const Context>,
                  matrix<float> labels) {
    if constexpr (detail::require_feature_encoder<Encoder>() && detail::require_set_reward<Reward>()) {
      detail::expect_one_segment(name, labels);
      const feature_set of_first(encoder_, first), of_second(encoder_, second);
      last_ = greedy_swap(reward_, of_first.view(), of_second.view(), options_);
      std::copy(last_.labels.begin(), last_.labels.end(), labels.begin());
    }
  }

  [[nodiscard]] const Reward& reward() const { return reward_; }
  /// What the last update's pairs were shared out into.
  [[nodiscard]] const demonstrations& last() const { return last_; }

 private:
  Encoder encoder_;
  Reward reward_;
  greedy_swap_options options_;
  demonstrations last_;
};

}  // namespace fewstep

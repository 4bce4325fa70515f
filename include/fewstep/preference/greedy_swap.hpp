// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/set_reward.hpp>

#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace fewstep {

/// What a greedy swap does not let fall: the reward of the demonstrations, or how far it is above that of the others.
enum class swap_gain { positive, difference };

struct greedy_swap_options {
  int passes = 1;  ///< over all pairs, at most; it ends earlier where a pass has exchanged nothing
  swap_gain gain = swap_gain::positive;

  static constexpr std::string_view name = "greedy_swap";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("passes", passes, at_least(1));
    visit("gain", gain);
  }
};

/// Pairs that were shared out: the demonstrations D+ and the others, D-.
struct demonstrations {
  std::vector<float> labels;          ///< by pair: 1 where the first member is in D+, -1 where the second is
  double positive = 0, negative = 0;  ///< the rewards of D+ and D-
  double first = 0, second = 0;       ///< those of the two sets that were given
  index_t exchanged = 0;              ///< exchanges that were made
};

namespace detail {

/// `value`, or std::invalid_argument, naming what has it, unless it is finite.
template <class... What>
double finite_reward(double value, const What&... what) {
  expects(std::isfinite(value), [&] {
    return message("greedy_swap: the reward of ", what..., " is ", value, "; it must be finite: check the reward");
  });
  return value;
}

}  // namespace detail

/// Shares out pairs i = (first[i], second[i]) of features [N, P] between D+ and D-, one member each: D+ begins as the
/// one of the two sets that `reward` finds better, and pair after pair its members are exchanged where that raises the
/// reward of D+ (or its distance to that of D-). So the reward never falls, and for one that is additive (mean_of) each
/// pair has its better member in D+. Where pairs are of one prompt each, both sets have the same prompts. The paper's
/// order is random; here it is the pairs', which are drawn at random themselves.
///
/// Throws std::invalid_argument for two sets of different shapes, none at all, and features that are not finite.
///
/// Source: Bai et al. 2025, DRAGON, arXiv:2504.15217, the construction of demonstrations from two on-policy sets.
template <set_reward Reward>
[[nodiscard]] demonstrations greedy_swap(const Reward& reward, matrix<const float> first, matrix<const float> second,
                                         const greedy_swap_options& o = {}) {
  check_settings(o);
  expects(first.rows() > 0 && first.extents == second.extents, [&] {
    return message("greedy_swap: there are ", first.rows(), " first members of ", first.cols(), " features and ",
                   second.rows(), " second ones of ", second.cols(),
                   "; the demonstrations would be empty, or no pairs: give as many of each, and at least one");
  });
  detail::expect_features("greedy_swap", first);
  detail::expect_features("greedy_swap", second);
  demonstrations made;
  made.first = detail::finite_reward(static_cast<double>(reward(first)), "the first members");
  made.second = detail::finite_reward(static_cast<double>(reward(second)), "the second members");
  const float begin = made.first >= made.second ? 1.0f : -1.0f;
  const auto of_side = [&](float side) { return side > 0 ? first : second; };
  auto positive = detail::track(reward, of_side(begin));
  std::optional<decltype(positive)> negative;  // where its reward decides as well
  if (o.gain == swap_gain::difference) negative.emplace(detail::track(reward, of_side(-begin)));
  made.labels.assign(static_cast<std::size_t>(first.rows()), begin);
  for (int pass = 0; pass < o.passes; ++pass) {
    const index_t before = made.exchanged;
    for (index_t i = 0; i < first.rows(); ++i) {
      float& label = made.labels[static_cast<std::size_t>(i)];
      const auto gain_of = [&](auto& set, float side) {
        const double with = set.value_with(i, vec<const float>(of_side(side).row(i), {first.cols()}));
        return detail::finite_reward(with, "the set with the other member of pair ", i) - set.value();
      };
      double gain = gain_of(positive, -label);
      if (negative) gain -= gain_of(*negative, label);
      if (!(gain > 0)) continue;
      positive.exchange();
      if (negative) negative->exchange();
      label = -label;
      ++made.exchanged;
    }
    if (made.exchanged == before) break;
  }
  made.positive = positive.value();
  std::vector<float> others;
  for (index_t i = 0; i < first.rows(); ++i) {
    const float* row = of_side(-made.labels[static_cast<std::size_t>(i)]).row(i);
    others.insert(others.end(), row, row + first.cols());
  }
  made.negative = static_cast<double>(reward(matrix<const float>{others.data(), {first.rows(), first.cols()}}));
  return made;
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/pareto_label.hpp>
#include <fewstep/reward/reward.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <exception>
#include <span>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// Who says which of two samples is the better one: judge(first[P, D], second[P, D], contexts[P], labels[P, F]) writes
/// 1, -1 or 0 for a tie, by segment. The compiler cannot check: a label depends on its own pair only, or
/// on those that are judged together.
///
/// Models: reward_judge, per_pair, set_judge, and any function of that signature.
template <class J, class Context>
concept pair_judge = requires(J& judge, matrix<const float> first, matrix<const float> second,
                              std::span<const Context> contexts, matrix<float> labels) {
  { judge(first, second, contexts, labels) } -> std::same_as<void>;
};

namespace detail {

/// Whether J models pair_judge; where it does not, the compiler says what is missing.
template <class J, class Context>
consteval bool require_pair_judge() {
  static_assert(pair_judge<J, Context>,
                "fewstep::pair_judge: void operator()(matrix<const float> first, matrix<const float> second, "
                "std::span<const Context> contexts, matrix<float> labels) is missing; wrap a reward: "
                "reward_judge(reward), or a rule: per_pair(rule)");
  return pair_judge<J, Context>;
}

inline void expect_one_segment(std::string_view who, matrix<float> labels) {
  expects(labels.cols() == 1, [&] {
    return message(who, ": labels of ", labels.cols(),
                   " segments are asked for, but it judges samples as a whole; give a judge of segments");
  });
}

}  // namespace detail

struct reward_judge_options {
  float tie = 0;  ///< rewards that differ by no more are equal

  static constexpr std::string_view name = "reward_judge";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("tie", tie, at_least(0));
  }
};

/// Judges pairs by a reward: a function, a rule, a reward model, an external_reward that another process computes. Of
/// several, the better sample is the one that dominates (pareto_label). Goes with labelled_pairs and regenerated_pairs.
///
///   reward_judge(std::ref(reward_model))                     reward_judge({.tie = 0.1f}, quality, resemblance)
///
/// A reward that is not finite throws std::runtime_error naming the pair.
template <class... Rewards>
class reward_judge {
 public:
  explicit reward_judge(Rewards... rewards) : rewards_(std::move(rewards)...) {}
  explicit reward_judge(reward_judge_options o, Rewards... rewards)
      : options_(checked(o)), rewards_(std::move(rewards)...) {}

  static constexpr std::string_view name = reward_judge_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    std::apply(
        [&](const auto&... each) {
          std::size_t k = 0;
          ((visit.part(message("reward_", k), each), ++k), ...);
        },
        rewards_);
  }

  template <class Context>
  void operator()(matrix<const float> first, matrix<const float> second, std::span<const Context> contexts,
                  matrix<float> labels) {
    if constexpr ((detail::require_reward<Rewards, Context>() && ...)) judge(first, second, contexts, labels);
  }
  /// As regenerated_pairs asks; what the pairs were made of has no say.
  template <class Context>
  void operator()(matrix<const float>, matrix<const float> first, matrix<const float> second,
                  std::span<const Context> contexts, matrix<float> labels) {
    (*this)(first, second, contexts, labels);
  }

 private:
  template <class Context>
  void judge(matrix<const float> first, matrix<const float> second, std::span<const Context> contexts,
             matrix<float> labels) {
    detail::expect_one_segment(name, labels);
    const std::size_t pairs = contexts.size();
    constexpr std::size_t count = sizeof...(Rewards);
    for (std::size_t m = 0; m < 2; ++m) {
      values_[m].resize(count * pairs);
      std::size_t k = 0;
      const auto rate = [&](auto& each) {
        each(m == 0 ? first : second, contexts, std::span(values_[m]).subspan(k++ * pairs, pairs));
      };
      std::apply([&](auto&... each) { (rate(each), ...); }, rewards_);
    }
    for (std::size_t i = 0; i < pairs; ++i) {
      std::array<std::array<float, count>, 2> of_pair;
      for (std::size_t m = 0; m < 2; ++m)
        for (std::size_t k = 0; k < count; ++k) of_pair[m][k] = values_[m][k * pairs + i];
      try {
        labels(static_cast<index_t>(i), 0) = pareto_label(of_pair[0], of_pair[1], options_.tie);
      } catch (const std::exception& error) {
        throw std::runtime_error(message(name, ": pair ", i, " of ", pairs, ": ", error.what()));
      }
    }
  }

  reward_judge_options options_;
  std::tuple<Rewards...> rewards_;
  std::array<std::vector<float>, 2> values_;  // [rewards, pairs] of each member
};
template <class... Rewards>
reward_judge(reward_judge_options, Rewards...) -> reward_judge<Rewards...>;

/// A judge from a function of one pair: label(first[D], second[D], context) is 1, -1 or 0.
template <class Function>
class per_pair {
 public:
  explicit per_pair(Function function) : function_(std::move(function)) {}

  template <class Context>
  void operator()(matrix<const float> first, matrix<const float> second, std::span<const Context> contexts,
                  matrix<float> labels) {
    constexpr bool fits = std::is_invocable_r_v<float, Function&, vec<const float>, vec<const float>, const Context&>;
    static_assert(fits,
                  "fewstep::per_pair: the function must be callable as f(vec<const float> first, vec<const float> "
                  "second, const Context& context) and return a number");
    detail::expect_one_segment("per_pair", labels);
    if constexpr (fits)
      for (index_t i = 0; i < labels.rows(); ++i) {
        const vec<const float> a{first.row(i), {first.cols()}}, b{second.row(i), {second.cols()}};
        labels(i, 0) = static_cast<float>(function_(a, b, contexts[static_cast<std::size_t>(i)]));
      }
  }

 private:
  Function function_;
};

}  // namespace fewstep

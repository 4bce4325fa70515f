// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace fewstep {

namespace detail {

template <class A>
concept weighs_rewards = requires(A& a, std::span<const float> rewards, std::span<const std::int32_t> prompts,
                                  std::span<float> out) {
  { a(rewards, prompts, out) } -> std::same_as<void>;
};

/// Whether a call may change what later calls give.
template <class A>
concept has_memory =
    !requires(const A& a, std::span<const float> rewards, std::span<const std::int32_t> prompts, std::span<float> out) {
  a(rewards, prompts, out);
};

}  // namespace detail

/// How rewards become advantages: a(rewards[B], prompts[B], out[B]), where prompts[i] identifies what sample i was
/// conditioned on. Runs on the host, once an update, on the rewards of all ranks.
///
/// A model whose operator() is not const may have a memory and is copied: a rollout that is sampled again, or only
/// probed, is weighed by a copy, so that it is remembered once.
///
/// The compiler cannot check: out does not depend on anything but the calls so far and their order; a call on a batch
/// no larger than one before, with prompts seen before, allocates nothing; a model with a memory has
/// serialize(archive), which calls archive("name", value) on all of it, and a copy of it remembers by itself.
///
/// Smallest model:
///   struct raw_reward {
///     void operator()(std::span<const float> rewards, std::span<const std::int32_t>, std::span<float> out) const {
///       std::copy(rewards.begin(), rewards.end(), out.begin());
///     }
///   };
template <class A>
concept advantage = detail::weighs_rewards<A> &&(!detail::has_memory<A> || std::copyable<A>);

namespace detail {

/// Whether A models advantage; where it does not, the compiler says what is missing.
template <class A>
consteval bool require_advantage() {
  static_assert(weighs_rewards<A>,
                "fewstep::advantage: void operator()(std::span<const float> rewards, std::span<const std::int32_t> "
                "prompts, std::span<float> out) is missing");
  static_assert(!weighs_rewards<A> || advantage<A>,
                "fewstep::advantage: operator() is not const, so a rollout is weighed by a copy of the advantage, but "
                "it cannot be copied and assigned; let it be, or make operator() const");
  return advantage<A>;
}

struct mean_and_deviation {
  double mean, deviation;
};

/// Mean and population standard deviation (divisor n), two passes in double, in the order of the values.
[[nodiscard]] inline mean_and_deviation statistics(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const float value : values) {
    const double difference = static_cast<double>(value) - mean;
    squares += difference * difference;
  }
  return {mean, std::sqrt(squares / static_cast<double>(values.size()))};
}

/// (reward - mean) / (deviation + epsilon), clipped to [-clip, clip]; 0 for a reward that is the mean, also where
/// nothing is left to divide by.
[[nodiscard]] inline float standardized(float reward_value, mean_and_deviation of, float epsilon, float clip) {
  const double by = of.deviation + static_cast<double>(epsilon);
  const double divisor = by > 0 ? by : std::numeric_limits<double>::infinity();  // the same for all rewards
  const double scaled = (static_cast<double>(reward_value) - of.mean) / divisor;
  return static_cast<float>(std::clamp(scaled, -static_cast<double>(clip), static_cast<double>(clip)));
}

/// Refuses useless settings, arrays of different lengths, an empty batch and rewards that are not finite, before any
/// memory has changed.
template <class Advantage>
void check_advantage_call(const Advantage& settings, std::span<const float> rewards,
                          std::span<const std::int32_t> prompts, std::span<const float> out) {
  constexpr std::string_view who = Advantage::name;
  check_settings(settings);
  expects(!rewards.empty(), [&] { return message(who, ": the batch is empty; give at least one reward"); });
  expects(prompts.size() == rewards.size() && out.size() == rewards.size(), [&] {
    return message(who, ": there are ", rewards.size(), " rewards but ", prompts.size(), " prompts and room for ",
                   out.size(), " advantages; the three must agree");
  });
  const auto bad = std::find_if_not(rewards.begin(), rewards.end(), [](float r) { return std::isfinite(r); });
  expects(bad == rewards.end(), [&] {
    const auto i = static_cast<std::size_t>(bad - rewards.begin());
    return message(who, ": the reward of sample ", i, " (prompt ", prompts[i], ") is ", rewards[i],
                   "; rewards must be finite");
  });
}

}  // namespace detail

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fewstep {

/// How the noise level of a comparison is drawn: law(preconditioner, random, number) is the time of comparison `number`
/// of the run, within the model's times.
///
/// Smallest model:
///   struct always_late {
///     template <class P>
///     float operator()(const P& p, const random_stream&, std::uint64_t) const { return p.max_time(); }
///   };
template <class L, class P>
concept time_law = requires(const L& law, const P& p, const random_stream& random, std::uint64_t number) {
  { law(p, random, number) } -> std::same_as<float>;
};

namespace detail {

template <class L, class P>
consteval bool require_time_law() {
  static_assert(time_law<L, P>,
                "fewstep::time_law: float operator()(const Preconditioning&, const random_stream&, std::uint64_t "
                "number) const is missing");
  return time_law<L, P>;
}

/// The least time at which a network's output is asked for: at the floor of a consistency function, and wherever `out`
/// is 0, the clean prediction does not depend on it.
template <preconditioning P>
[[nodiscard]] float least_time(const P& p) {
  const float low = p.min_time(), high = p.max_time();
  if (p.noise_floor() > 0) return std::min(2 * low, high);
  if (p(low).out != 0) return low;
  if constexpr (timestep_preconditioning<P>)
    return time_of_timestep(p, 1);
  else
    return low + 1e-3f * (high - low);
}

/// The time that lies the share of the way from the least to the greatest one; of a flow (rectified_flow) whose network
/// has times of its own, of the way between its noises, which are the flow's times.
template <preconditioning P>
[[nodiscard]] float time_between(const P& p, float share) {
  const float low = least_time(p), high = p.max_time();
  float t = low + (high - low) * share;
  if constexpr (requires { p.time_of_noise(0.0); }) {
    const double least = exact_level(p, low).noise, most = exact_level(p, high).noise;
    t = p.time_of_noise(least + (most - least) * static_cast<double>(share));
  }
  return std::clamp(t, low, high);
}

}  // namespace detail

/// All times alike: the timesteps of a discrete process, else the times (a flow's own), or their logarithms where the
/// signal is never scaled down (EDM).
struct uniform_times {
  static constexpr std::string_view name = "uniform_times";
  template <class Visitor>
  void settings(Visitor&) const {}

  template <preconditioning P>
  [[nodiscard]] float operator()(const P& p, const random_stream& random, std::uint64_t number) const {
    if constexpr (timestep_preconditioning<P>) {
      const auto steps = static_cast<std::uint32_t>(p.training_steps());
      return std::clamp(time_of_timestep(p, static_cast<int>(random.below(steps, number))), detail::least_time(p),
                        p.max_time());
    } else {
      const float low = detail::least_time(p), high = p.max_time(), u = random.uniform(number);
      return p.level(high).signal == 1.0f ? std::clamp(low * std::pow(high / low, u), low, high)
                                          : detail::time_between(p, u);
    }
  }
};

/// t = sigmoid(mean + deviation n), n ~ N(0, 1), of the way from the least to the greatest time, as flows are trained
/// (Esser et al. 2024, arXiv:2403.03206, section 3.1).
struct logit_normal_times {
  float mean = 0, deviation = 1;

  static constexpr std::string_view name = "logit_normal_times";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("mean", mean);
    visit("deviation", deviation, at_least(0));
  }

  template <preconditioning P>
  [[nodiscard]] float operator()(const P& p, const random_stream& random, std::uint64_t number) const {
    const float share = 1.0f / (1.0f + std::exp(-(mean + deviation * random.normal(number))));
    if constexpr (timestep_preconditioning<P> && !discrete_preconditioning<P>) {
      const float step = std::round(share * static_cast<float>(p.training_steps() - 1));
      return std::clamp(time_of_timestep(p, static_cast<int>(step)), detail::least_time(p), p.max_time());
    } else {
      const float t = detail::time_between(p, share);
      return timestep_preconditioning<P> ? std::round(t) : t;
    }
  }
};

/// One of the times listed, all alike: those that a few-step model is asked at.
struct listed_times {
  std::vector<float> times{};

  static constexpr std::string_view name = "listed_times";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("times", times);
  }

  template <preconditioning P>
  [[nodiscard]] float operator()(const P& p, const random_stream& random, std::uint64_t number) const {
    expects(!times.empty(), "listed_times: there are none; list the times that the model is asked at");
    const std::size_t i = random.below(static_cast<std::uint32_t>(times.size()), number);
    expects(times[i] >= p.min_time() && times[i] <= p.max_time(), [&] {
      return message("listed_times: time ", times[i], " is not among the model's, [", p.min_time(), ", ", p.max_time(),
                     "]");
    });
    expects(p(times[i]).out != 0, [&] {
      return message(
          "listed_times: at time ", times[i],
          " the clean prediction does not depend on the network, so there is nothing to learn; leave it out");
    });
    return times[i];
  }
};

}  // namespace fewstep

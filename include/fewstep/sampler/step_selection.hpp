// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string_view>

namespace fewstep {

/// Steps [first, first + count) of those that a sampler can train.
struct step_window {
  int first, count;
};

namespace detail {

template <class S>
concept has_step_window = requires(const S& s, std::int64_t update, int steps, std::uint64_t seed) {
  { s.window(update, steps, seed) } -> std::same_as<step_window>;
};
template <class S>
concept has_noise_elsewhere = requires {
  { S::noise_elsewhere } -> std::convertible_to<bool>;
};

}  // namespace detail

/// Which steps an update learns from: window(update, steps, seed) out of `steps` that could be. Where noise_elsewhere
/// is false the others are sampled without noise, for which the sampler must have a form (without_noise()).
///
/// The compiler cannot check: 1 <= count and first + count <= steps; count does not change from update to update; the
/// window depends on the arguments only.
///
/// Smallest model:
///   struct only_the_first {
///     static constexpr bool noise_elsewhere = true;
///     step_window window(std::int64_t, int, std::uint64_t) const { return {0, 1}; }
///   };
template <class S>
concept step_selection = detail::has_step_window<S> && detail::has_noise_elsewhere<S>;

namespace detail {

/// Whether S models step_selection; where it does not, the compiler says what is missing.
template <class S>
consteval bool require_step_selection() {
  static_assert(has_step_window<S>,
                "fewstep::step_selection: step_window window(std::int64_t update, int steps, std::uint64_t seed) const "
                "is missing");
  static_assert(has_noise_elsewhere<S>, "fewstep::step_selection: static constexpr bool noise_elsewhere is missing");
  return step_selection<S>;
}

inline void check_window(std::string_view who, int length, int steps) {
  expects(length <= steps, [&] {
    return message(who, ": length is ", length, " but ", steps, " steps can be trained; use from 1 to ", steps);
  });
}

}  // namespace detail

/// All that the sampler can train, as RLCM and DDPO.
struct all_steps {
  static constexpr bool noise_elsewhere = true;
  static constexpr std::string_view name = "all_steps";
  template <class Visitor>
  void settings(Visitor&) const {}

  [[nodiscard]] step_window window(std::int64_t, int steps, std::uint64_t) const { return {0, steps}; }
};

/// A window that moves from the noisy end to the clean one: by `advance` steps every `every` updates, until it gets
/// there. Steps outside of it follow the ODE and are not trained: MixGRPO (Li et al. 2025, arXiv:2507.21802), section
/// 3.3, with its constants.
struct sliding_window {
  static constexpr bool noise_elsewhere = false;
  int length = 4;
  int advance = 1;
  int every = 25;

  static constexpr std::string_view name = "sliding_window";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("length", length, at_least(1));
    visit("advance", advance, at_least(1));
    visit("every", every, at_least(1));
  }

  [[nodiscard]] step_window window(std::int64_t update, int steps, std::uint64_t) const {
    check_settings(*this);
    detail::check_window(name, length, steps);
    return {static_cast<int>(std::min<std::int64_t>(update / every * advance, steps - length)), length};
  }
};

/// A window at a random place, drawn anew for each update; the steps outside of it follow the ODE: Flow-GRPO-Fast (Liu
/// et al. 2025, arXiv:2505.05470, its fast variant trains one or two steps so) and MixGRPO's random strategy. With
/// shared_initial_noise the samples of a prompt part where the window begins.
struct random_window {
  static constexpr bool noise_elsewhere = false;
  int length = 2;

  static constexpr std::string_view name = "random_window";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("length", length, at_least(1));
  }

  [[nodiscard]] step_window window(std::int64_t update, int steps, std::uint64_t seed) const {
    check_settings(*this);
    detail::check_window(name, length, steps);
    const random_stream source{seed, stream::steps};
    const auto places = static_cast<std::uint32_t>(steps - length + 1);
    return {static_cast<int>(source.below(places, static_cast<std::uint64_t>(update))), length};
  }
};

static_assert(step_selection<all_steps> && step_selection<sliding_window> && step_selection<random_window>);

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/direct_reward_gradient.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>

#include <type_traits>
#include <utility>

namespace fewstep {

namespace detail {

template <class Parts>
inline constexpr bool are_policy_gradient_parts = false;
template <class... Parts>
inline constexpr bool are_policy_gradient_parts<policy_gradient_parts<Parts...>> = true;
template <class Parts>
inline constexpr bool are_direct_reward_gradient_parts = false;
template <class... Parts>
inline constexpr bool are_direct_reward_gradient_parts<direct_reward_gradient_parts<Parts...>> = true;

}  // namespace detail

/// An algorithm by its name: a composition of parts and settings. What the caller does not give is what was published,
/// as `Defaults` says:
///
///   struct my_defaults : policy_gradient_defaults {
///     static policy_gradient_options options() { return {.horizon = 4, .batch = {.samples_per_prompt = 8}}; }
///     template <class Given>
///     static auto parts(auto& backend, const auto& model, const Given& given, const policy_gradient_options&) {
///       return policy_gradient_parts{.objective = reinforce{}, .advantage = group_advantage{}};
///     }
///   };
///   inline constexpr named_algorithm<my_defaults> mine{};
///
/// What `parts` and `options` leave open is that of policy_gradient itself. All are called alike,
///
///   rlcm(backend, model, reward, optimizer, options)
///   rlcm(backend, model, policy_gradient_parts{.reward = reward, .optimizer = adam{}, .decoder = vae}, options)
///
/// and make a trainer, which holds its parts by value: copied from a variable, moved from a temporary or std::move; a
/// reward can be shared by std::ref. Backend, generator and a regularizer's reference must outlive the trainer.
template <class Defaults>
struct named_algorithm {
  using defaults = Defaults;
  using options_type = decltype(Defaults::options());

  template <class Backend, class Generator, class Parts>
  requires(Defaults::template are_parts<std::remove_cvref_t<Parts>>) [[nodiscard]] auto operator()(
      Backend& backend, Generator& model, Parts&& parts, options_type o = {}) const {
    auto given = detail::part_of<Parts>(parts);
    o = with_defaults(o, Defaults::options());
    Defaults::settle(given, o);
    auto published = Defaults::parts(backend, model, std::as_const(given), std::as_const(o));
    return Defaults::trainer(backend, model, with_defaults(std::move(given), std::move(published)), o);
  }

  /// With the two parts that have no default.
  template <class Backend, class Generator, class Reward, class Optimizer>
  requires(!Defaults::template are_parts<std::remove_cvref_t<Reward>>) [[nodiscard]] auto operator()(
      Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer, options_type o = {}) const {
    // Asked here, so that the compiler's first line on what is missing leads to the caller's.
    static_cast<void>(detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>());
    return (*this)(backend, model,
                   Defaults::mandatory(detail::part_of<Reward>(reward), detail::part_of<Optimizer>(optimizer)), o);
  }
};

/// What the defaults of policy gradients have in common.
struct policy_gradient_defaults {
  template <class Parts>
  static constexpr bool are_parts = detail::are_policy_gradient_parts<Parts>;

  /// Options that follow from others, or do not go with them.
  template <class Given>
  static void settle(const Given&, policy_gradient_options&) {}

  template <class Reward, class Optimizer>
  [[nodiscard]] static auto mandatory(Reward reward, Optimizer optimizer) {
    return policy_gradient_parts{.reward = std::move(reward), .optimizer = std::move(optimizer)};
  }
  template <class Backend, class Generator, class Parts>
  [[nodiscard]] static auto trainer(Backend& backend, Generator& model, Parts&& parts,
                                    const policy_gradient_options& o) {
    return policy_gradient<Backend, Generator, Parts>(backend, model, std::move(parts), o);
  }
};

/// What the defaults of direct reward gradients have in common.
struct direct_reward_gradient_defaults {
  template <class Parts>
  static constexpr bool are_parts = detail::are_direct_reward_gradient_parts<Parts>;

  template <class Reward, class Optimizer>
  [[nodiscard]] static auto mandatory(Reward reward, Optimizer optimizer) {
    return direct_reward_gradient_parts{.reward = std::move(reward), .optimizer = std::move(optimizer)};
  }
  template <class Backend, class Generator, class Parts>
  [[nodiscard]] static auto trainer(Backend& backend, Generator& model, Parts&& parts,
                                    const direct_reward_gradient_options& o) {
    return direct_reward_gradient<Backend, Generator, Parts>(backend, model, std::move(parts), o);
  }
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/advantage/step_advantage.hpp>
#include <fewstep/algorithm/not_given.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/unfit_trainer.hpp>
#include <fewstep/backend/backend.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/objective/trajectory_objective.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/regularizer/regularizer.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/device_reward.hpp>
#include <fewstep/reward/reward.hpp>
#include <fewstep/reward/step_reward.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_selection.hpp>
#include <fewstep/sampler/windowed_table.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace fewstep {

/// What a policy-gradient algorithm is composed of; see the concept of each. Reward and optimizer must be given; the
/// others are the algorithm's published ones where they are not, and a part that is given always wins:
///
///   auto trainer = rlcm(backend, generator, policy_gradient_parts{.reward = reward, .optimizer = adam{}});
template <class Reward = not_given, class Optimizer = not_given, class Objective = not_given,
          class Advantage = not_given, class Sampler = not_given, class Decoder = not_given,
          class Regularizer = not_given, class Auxiliary = not_given, class Selection = not_given>
struct policy_gradient_parts {
  Reward reward{};
  Optimizer optimizer{};
  Objective objective{};
  Advantage advantage{};
  Sampler sampler{};
  Decoder decoder{};
  Regularizer regularizer{};
  Auxiliary auxiliary{};
  Selection selection{};

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("reward", reward);
    visit.part("optimizer", optimizer);
    visit.part("objective", objective);
    visit.part("advantage", advantage);
    visit.part("sampler", sampler);
    visit.part("decoder", decoder);
    visit.part("regularizer", regularizer);
    visit.part("auxiliary", auxiliary);
    visit.part("selection", selection);
  }
};

/// The parts, those that are not given being `defaults`'.
template <class... Given, class... Defaults>
[[nodiscard]] auto with_defaults(policy_gradient_parts<Given...> given, policy_gradient_parts<Defaults...> defaults) {
  const auto chosen = [](auto& part, auto& other) -> auto&& { return std::move(detail::given_or(part, other)); };
  using parts = policy_gradient_parts<detail::given_or_t<Given, Defaults>...>;
  return parts{chosen(given.reward, defaults.reward),           chosen(given.optimizer, defaults.optimizer),
               chosen(given.objective, defaults.objective),     chosen(given.advantage, defaults.advantage),
               chosen(given.sampler, defaults.sampler),         chosen(given.decoder, defaults.decoder),
               chosen(given.regularizer, defaults.regularizer), chosen(given.auxiliary, defaults.auxiliary),
               chosen(given.selection, defaults.selection)};
}

/// Those of RLCM, and nothing where there need be nothing.
using usual_policy_gradient_parts =
    policy_gradient_parts<not_given, not_given, clipped_surrogate, prompt_buffer_advantage, consistency_sampler,
                          identity_decoder, no_regularizer, no_auxiliary_loss, all_steps>;

namespace detail {

template <class... Given, class... Defaults>
policy_gradient_parts<given_or_t<Given, Defaults>...>* completed(const policy_gradient_parts<Given...>*,
                                                                 const policy_gradient_parts<Defaults...>*);
template <class Given>
using complete_policy_gradient_parts = std::remove_pointer_t<decltype(completed(
    static_cast<const Given*>(nullptr), static_cast<const usual_policy_gradient_parts*>(nullptr)))>;

/// Whether the parts model their concepts; where one does not, the compiler says what is missing.
template <class Backend, class Generator, class Parts>
consteval bool require_parts() {
  if constexpr (!backend<Backend> || !generator<Generator, Backend>) {
    return false;
  } else {
    constexpr bool reward_given = !std::same_as<decltype(Parts::reward), not_given>;
    constexpr bool optimizer_given = !std::same_as<decltype(Parts::optimizer), not_given>;
    static_assert(reward_given,
                  "fewstep::policy_gradient: there is no reward; give policy_gradient_parts{.reward = ...}");
    static_assert(optimizer_given,
                  "fewstep::policy_gradient: there is no optimizer; give policy_gradient_parts{.optimizer = adam{}}");
    using context_type = typename Generator::context_type;
    constexpr bool can_sample =
        require_sampler<decltype(Parts::sampler), preconditioning_of<Generator>>() &&
        require_decoder<decltype(Parts::decoder), Backend, context_type>() &&
        require_steps<decltype(Parts::selection), decltype(Parts::sampler), preconditioning_of<Generator>>();
    constexpr bool has_loss = require_any_advantage<decltype(Parts::advantage), Backend, context_type>() &&
                              require_any_objective<decltype(Parts::objective)>() &&
                              require_regularizer<decltype(Parts::regularizer), Backend, context_type>() &&
                              require_auxiliary_loss<decltype(Parts::auxiliary), Backend, Generator>();
    if constexpr (reward_given && optimizer_given) {
      using reward_type = decltype(Parts::reward);
      constexpr bool has_reward = require_any_reward<reward_type, Backend, context_type>();
      static_assert(!step_reward<reward_type, context_type> || std::same_as<decltype(Parts::decoder), identity_decoder>,
                    "fewstep::policy_gradient: a reward of steps sees states, which no decoder is made for; leave the "
                    "decoder out, or decode in the reward");
      if constexpr (has_reward && has_submit<reward_type, context_type>)
        require_async_reward<reward_type, context_type>();
      return can_sample && has_loss && has_reward && require_optimizer<decltype(Parts::optimizer), Backend>();
    } else {
      return false;
    }
  }
}

}  // namespace detail

template <class Backend, class Generator, class Given,
          bool Fits = detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>() &&
                      detail::require_parts<Backend, Generator, detail::complete_policy_gradient_parts<Given>>()>
class policy_gradient;

template <class Backend, class Generator, class Given>
class policy_gradient<Backend, Generator, Given, false>
    : public detail::unfit_trainer<Backend, Generator, Given, policy_gradient_options> {
 public:
  using detail::unfit_trainer<Backend, Generator, Given, policy_gradient_options>::unfit_trainer;
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/direct_reward_gradient_options.hpp>
#include <fewstep/algorithm/not_given.hpp>
#include <fewstep/algorithm/unfit_trainer.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace fewstep {

/// What a direct reward gradient is composed of. Reward and optimizer must be given; the others are the algorithm's
/// published ones where they are not, and a part that is given always wins.
template <class Reward = not_given, class Optimizer = not_given, class Sampler = not_given, class Decoder = not_given,
          class Auxiliary = not_given>
struct direct_reward_gradient_parts {
  Reward reward{};
  Optimizer optimizer{};
  Sampler sampler{};
  Decoder decoder{};
  Auxiliary auxiliary{};

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("reward", reward);
    visit.part("optimizer", optimizer);
    visit.part("sampler", sampler);
    visit.part("decoder", decoder);
    visit.part("auxiliary", auxiliary);
  }
};

/// The parts, those that are not given being `defaults`'.
template <class... Given, class... Defaults>
[[nodiscard]] auto with_defaults(direct_reward_gradient_parts<Given...> given,
                                 direct_reward_gradient_parts<Defaults...> defaults) {
  const auto chosen = [](auto& part, auto& other) -> auto&& { return std::move(detail::given_or(part, other)); };
  using parts = direct_reward_gradient_parts<detail::given_or_t<Given, Defaults>...>;
  return parts{chosen(given.reward, defaults.reward), chosen(given.optimizer, defaults.optimizer),
               chosen(given.sampler, defaults.sampler), chosen(given.decoder, defaults.decoder),
               chosen(given.auxiliary, defaults.auxiliary)};
}

/// The sampler of consistency models, and nothing where there need be nothing.
using usual_direct_reward_gradient_parts =
    direct_reward_gradient_parts<not_given, not_given, consistency_sampler, identity_decoder, no_auxiliary_loss>;

namespace detail {

template <class... Given, class... Defaults>
direct_reward_gradient_parts<given_or_t<Given, Defaults>...>* completed(
    const direct_reward_gradient_parts<Given...>*, const direct_reward_gradient_parts<Defaults...>*);
template <class Given>
using complete_direct_parts = std::remove_pointer_t<decltype(completed(
    static_cast<const Given*>(nullptr), static_cast<const usual_direct_reward_gradient_parts*>(nullptr)))>;

/// Whether the parts model their concepts; where one does not, the compiler says what is missing.
template <class Backend, class Generator, class Parts>
consteval bool require_direct_parts() {
  if constexpr (!backend<Backend> || !generator<Generator, Backend>) {
    return false;
  } else {
    constexpr bool reward_given = !std::same_as<decltype(Parts::reward), not_given>;
    constexpr bool optimizer_given = !std::same_as<decltype(Parts::optimizer), not_given>;
    static_assert(reward_given,
                  "fewstep::direct_reward_gradient: there is no reward; give direct_reward_gradient_parts{.reward = "
                  "...}");
    static_assert(
        optimizer_given,
        "fewstep::direct_reward_gradient: there is no optimizer; give direct_reward_gradient_parts{.optimizer = "
        "adam{}}");
    constexpr bool can_sample =
        require_sampler<decltype(Parts::sampler), preconditioning_of<Generator>>() &&
        require_differentiable_decoder<decltype(Parts::decoder), Backend, typename Generator::context_type>() &&
        require_auxiliary_loss<decltype(Parts::auxiliary), Backend, Generator>();
    if constexpr (reward_given && optimizer_given)
      return can_sample && require_differentiable_reward<decltype(Parts::reward), typename Generator::context_type>() &&
             require_optimizer<decltype(Parts::optimizer), Backend>();
    else
      return false;
  }
}

}  // namespace detail

template <class Backend, class Generator, class Given,
          bool Fits = detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>() &&
                      detail::require_direct_parts<Backend, Generator, detail::complete_direct_parts<Given>>()>
class direct_reward_gradient;

template <class Backend, class Generator, class Given>
class direct_reward_gradient<Backend, Generator, Given, false>
    : public detail::unfit_trainer<Backend, Generator, Given, direct_reward_gradient_options> {
 public:
  using detail::unfit_trainer<Backend, Generator, Given, direct_reward_gradient_options>::unfit_trainer;
};

}  // namespace fewstep

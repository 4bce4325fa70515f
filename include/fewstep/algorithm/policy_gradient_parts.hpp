// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/advantage/step_advantage.hpp>
#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/update_report.hpp>
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
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace fewstep {

/// Stand in for the two parts that have no default.
struct no_reward {};
struct no_optimizer {};

/// What a policy-gradient algorithm is composed of; see the concept of each. Reward and optimizer must be given, the
/// others are RLCM's unless they are named:
///
///   policy_gradient trainer(backend, generator, policy_gradient_parts{.reward = reward, .optimizer = adam{}}, {});
template <class Sampler = consistency_sampler, class Reward = no_reward, class Advantage = prompt_buffer_advantage,
          class Objective = clipped_surrogate, class Regularizer = no_regularizer, class Optimizer = no_optimizer,
          class Decoder = identity_decoder, class Selection = all_steps, class Auxiliary = no_auxiliary_loss>
struct policy_gradient_parts {
  Sampler sampler{};
  Reward reward{};
  Advantage advantage{};
  Objective objective{};
  Regularizer regularizer{};
  Optimizer optimizer{};
  Decoder decoder{};
  Selection selection{};
  Auxiliary auxiliary{};

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("sampler", sampler);
    visit.part("reward", reward);
    visit.part("advantage", advantage);
    visit.part("objective", objective);
    visit.part("regularizer", regularizer);
    visit.part("optimizer", optimizer);
    visit.part("decoder", decoder);
    visit.part("selection", selection);
    visit.part("auxiliary", auxiliary);
  }
};

namespace detail {

/// Whether the parts model their concepts; where one does not, the compiler says what is missing.
template <class Backend, class Generator, class Parts>
consteval bool require_parts() {
  if constexpr (!backend<Backend> || !generator<Generator, Backend>) {
    return false;
  } else {
    constexpr bool rewarded = !std::same_as<decltype(Parts::reward), no_reward>;
    constexpr bool stepped = !std::same_as<decltype(Parts::optimizer), no_optimizer>;
    static_assert(rewarded, "fewstep::policy_gradient: there is no reward; give policy_gradient_parts{.reward = ...}");
    static_assert(stepped,
                  "fewstep::policy_gradient: there is no optimizer; give policy_gradient_parts{.optimizer = adam{}}");
    using context_type = typename Generator::context_type;
    constexpr bool samples =
        require_sampler<decltype(Parts::sampler), preconditioning_of<Generator>>() &&
        require_decoder<decltype(Parts::decoder), Backend, context_type>() &&
        require_steps<decltype(Parts::selection), decltype(Parts::sampler), preconditioning_of<Generator>>();
    constexpr bool learns = require_any_advantage<decltype(Parts::advantage), Backend, context_type>() &&
                            require_any_objective<decltype(Parts::objective)>() &&
                            require_regularizer<decltype(Parts::regularizer), Backend, context_type>() &&
                            require_auxiliary_loss<decltype(Parts::auxiliary), Backend, Generator>();
    if constexpr (rewarded && stepped) {
      using reward_type = decltype(Parts::reward);
      constexpr bool rates = require_any_reward<reward_type, Backend, context_type>();
      static_assert(!step_reward<reward_type, context_type> || std::same_as<decltype(Parts::decoder), identity_decoder>,
                    "fewstep::policy_gradient: a reward of steps sees states, which no decoder is made for; leave the "
                    "decoder out, or decode in the reward");
      if constexpr (rates && has_submit<reward_type, context_type>) require_async_reward<reward_type, context_type>();
      return samples && learns && rates && require_optimizer<decltype(Parts::optimizer), Backend>();
    } else {
      return false;
    }
  }
}

}  // namespace detail

template <class Backend, class Generator, class Parts,
          bool Fits = detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>() &&
                      detail::require_parts<Backend, Generator, Parts>()>
class policy_gradient;

/// Stands in for a trainer whose parts do not fit: what is missing has been said, and the compiler need not go on about
/// every consequence.
template <class Backend, class Generator, class Parts>
class policy_gradient<Backend, Generator, Parts, false> {
 public:
  policy_gradient(Backend&, Generator&, Parts, policy_gradient_options = {}) {}
  std::int64_t index() const { return {}; }
  bool is_whole() const { return {}; }
  memory_plan memory() const { return {}; }
  step_table table() const { return {}; }
  Parts& parts();
  policy_gradient_options options() const { return {}; }
  vec<const float> ema() const { return {}; }
  std::span<const float> rewards() const { return {}; }
  std::span<const std::int32_t> prompts() const { return {}; }
  matrix<const float> samples() const { return {}; }
  template <class Contexts>
  update_report update(const Contexts&) {
    return {};
  }
  template <class Context>
  update_report update(std::initializer_list<Context>) {
    return {};
  }
  template <class Contexts>
  std::vector<update_report> run(const Contexts&, std::int64_t) {
    return {};
  }
  template <class Context>
  std::vector<update_report> run(std::initializer_list<Context>, std::int64_t) {
    return {};
  }
  template <class Contexts>
  void sample(const Contexts&) {}
  update_report train() { return {}; }
  template <class Archive>
  void serialize(Archive&) {}
};

}  // namespace fewstep

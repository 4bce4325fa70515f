// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/loss/reward_loss.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

/// What a direct reward gradient is composed of; reward and optimizer must be given.
template <class Sampler = consistency_sampler, class Reward = no_reward, class Optimizer = no_optimizer,
          class Decoder = identity_decoder, class Auxiliary = no_auxiliary_loss>
struct direct_reward_gradient_parts {
  Sampler sampler{};
  Reward reward{};
  Optimizer optimizer{};
  Decoder decoder{};
  Auxiliary auxiliary{};

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("sampler", sampler);
    visit.part("reward", reward);
    visit.part("optimizer", optimizer);
    visit.part("decoder", decoder);
    visit.part("auxiliary", auxiliary);
  }
};

struct direct_reward_gradient_options {
  int horizon = 4;                 ///< network calls per sample
  int steps_with_gradient = 1;     ///< K: the gradient goes through the last K of them
  bool random_truncation = false;  ///< K is drawn for each update, uniformly from 1 to steps_with_gradient
  /// The sampler is left at a random call from this one (from 0) on, drawn for each update, and the clean prediction of
  /// that call is the result; empty: the result is the sampler's own.
  std::optional<int> jump_from = {};
  reward_loss loss{};
  int prompts_per_update = 16;  ///< drawn with replacement
  int samples_per_prompt = 1;
  bool shared_initial_noise = false;  ///< the samples of a prompt start from the same state
  float max_gradient_norm = 5;        ///< 0: no clipping
  rate_schedule schedule{};
  float ema_decay = 0;                               ///< of the EMA of the parameters; 0: none is kept
  std::size_t memory_budget = std::size_t{1} << 30;  ///< bytes of everything the trainer holds; decides the micro-batch
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "direct_reward_gradient";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("horizon", horizon, at_least(1));
    visit("steps_with_gradient", steps_with_gradient, between(1, horizon).remark("the horizon is the most"));
    visit("random_truncation", random_truncation);
    visit("jump_from", jump_from, between(0, horizon - 1).remark("calls are numbered from 0"));
    visit("loss", loss);
    visit("prompts_per_update", prompts_per_update, at_least(1));
    visit("samples_per_prompt", samples_per_prompt, at_least(1));
    visit("shared_initial_noise", shared_initial_noise);
    visit("max_gradient_norm", max_gradient_norm, at_least(0).or_infinite().remark("0: no clipping"));
    visit("schedule", schedule);
    visit("ema_decay", ema_decay, at_least(0).below(1));
    visit.not_compared("memory_budget", memory_budget);
    visit("seed", seed);
  }

  /// Samples of one update.
  [[nodiscard]] index_t batch() const { return index_t{prompts_per_update} * samples_per_prompt; }
};

namespace detail {

/// Whether the parts model their concepts; where one does not, the compiler says what is missing.
template <class Backend, class Generator, class Parts>
consteval bool require_direct_parts() {
  if constexpr (!backend<Backend> || !generator<Generator, Backend>) {
    return false;
  } else {
    constexpr bool rewarded = !std::same_as<decltype(Parts::reward), no_reward>;
    constexpr bool stepped = !std::same_as<decltype(Parts::optimizer), no_optimizer>;
    static_assert(rewarded,
                  "fewstep::direct_reward_gradient: there is no reward; give direct_reward_gradient_parts{.reward = "
                  "...}");
    static_assert(
        stepped,
        "fewstep::direct_reward_gradient: there is no optimizer; give direct_reward_gradient_parts{.optimizer = "
        "adam{}}");
    constexpr bool samples =
        require_sampler<decltype(Parts::sampler), preconditioning_of<Generator>>() &&
        require_differentiable_decoder<decltype(Parts::decoder), Backend, typename Generator::context_type>() &&
        require_auxiliary_loss<decltype(Parts::auxiliary), Backend, Generator>();
    if constexpr (rewarded && stepped)
      return samples && require_differentiable_reward<decltype(Parts::reward), typename Generator::context_type>() &&
             require_optimizer<decltype(Parts::optimizer), Backend>();
    else
      return false;
  }
}

}  // namespace detail

template <class Backend, class Generator, class Parts,
          bool Fits = detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>() &&
                      detail::require_direct_parts<Backend, Generator, Parts>()>
class direct_reward_gradient;

/// Stands in for a trainer whose parts do not fit: what is missing has been said, and the compiler need not go on about
/// every consequence.
template <class Backend, class Generator, class Parts>
class direct_reward_gradient<Backend, Generator, Parts, false> {
 public:
  direct_reward_gradient(Backend&, Generator&, Parts, direct_reward_gradient_options = {}) {}
  std::int64_t index() const { return {}; }
  bool is_whole() const { return {}; }
  memory_plan memory() const { return {}; }
  step_table table() const { return {}; }
  Parts& parts();
  direct_reward_gradient_options options() const { return {}; }
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
  template <class Archive>
  void serialize(Archive&) {}
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/direct_reward_gradient.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/sampler/sampler.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// Settings of DRaFT-K. The default is DRaFT-1, the gradient through the last call; steps_with_gradient = horizon is
/// DRaFT, which few steps can afford.
struct draft_options {
  int horizon = 4;
  int steps_with_gradient = 1;     ///< K
  bool random_truncation = false;  ///< as AlignProp has it: K uniform from 1 to steps_with_gradient in each update
  std::vector<float> times = {};   ///< of the model's own sampler: one per network call, decreasing; empty: its own
  int prompts_per_update = 16;
  int samples_per_prompt = 1;
  float max_gradient_norm = 5;
  rate_schedule schedule{};
  reward_check rewards{};
  float ema_decay = 0;
  std::size_t memory_budget = std::size_t{1} << 30;
  std::uint64_t seed = 0;
};

/// Settings of ReFL; weight, margin and the quarter of the calls are the published ones, of 40.
struct refl_options {
  int horizon = 40;
  std::optional<int> jump_from = {};  ///< the first call (from 0) that may be left; empty: the last quarter's first
  float weight = 1e-3f;
  float margin = 2;               ///< reward beyond which nothing is to be gained
  std::vector<float> times = {};  ///< as of draft_options
  int prompts_per_update = 16;
  int samples_per_prompt = 1;
  float max_gradient_norm = 5;
  rate_schedule schedule{};
  reward_check rewards{};
  float ema_decay = 0;
  std::size_t memory_budget = std::size_t{1} << 30;
  std::uint64_t seed = 0;
};

namespace detail {

/// Stands for the sampler of a consistency model (consistency_steps), the result being its last clean prediction.
struct own_sampler {};

template <class Options>
[[nodiscard]] direct_reward_gradient_options direct_options(const Options& o) {
  return {.horizon = o.horizon,
          .loss = {.rewards = o.rewards},
          .prompts_per_update = o.prompts_per_update,
          .samples_per_prompt = o.samples_per_prompt,
          .max_gradient_norm = o.max_gradient_norm,
          .schedule = o.schedule,
          .ema_decay = o.ema_decay,
          .memory_budget = o.memory_budget,
          .seed = o.seed};
}

/// A trainer with the sampler, or with the model's own, which is then left at its last call: one call is enough for
/// that, and no noise is added to the result.
template <class Backend, class Generator, class Reward, class Optimizer, class Sampler, class Auxiliary>
[[nodiscard]] auto direct_trainer(Backend& backend, Generator& model, Reward reward, Optimizer optimizer,
                                  direct_reward_gradient_options o, std::vector<float> times, Sampler sampler,
                                  Auxiliary auxiliary) {
  const auto with = [&](auto steps) {
    using parts = direct_reward_gradient_parts<decltype(steps), Reward, Optimizer, identity_decoder, Auxiliary>;
    return direct_reward_gradient<Backend, Generator, parts>(
        backend, model, parts{std::move(steps), std::move(reward), std::move(optimizer), {}, std::move(auxiliary)}, o);
  };
  if constexpr (std::is_same_v<Sampler, own_sampler>) {
    if (!o.jump_from) o.jump_from = o.horizon - 1;
    return with(consistency_steps(
        model, rlcm_options{.last = last_step::stochastic, .final_sigma = 1, .times = std::move(times)}));
  } else {
    expects(times.empty(), "draft: times are given beside a sampler; give them to the sampler");
    return with(std::move(sampler));
  }
}

}  // namespace detail

/// Direct reward fine-tuning, DRaFT-K: Clark, Vicol, Swersky and Fleet 2023 (arXiv:2309.17400): the gradient of the
/// reward through the last K of the sampler's calls. With random_truncation it is AlignProp's randomized truncated
/// backpropagation (Prabhudesai et al. 2023, arXiv:2310.03739), K being one draw an update.
///
/// The sampler is the consistency sampler, or LCM's where the generator has discrete timesteps, whose last clean
/// prediction is rated; another may be given: draft(backend, model, reward, adamw{}, {.horizon = 50}, ddim_sampler{}).
/// `also` is a loss beside it, such as a consistency_regularizer. Backend and generator must outlive the trainer.
///
/// With a few steps let K be the horizon: the last call of a consistency sampler hardly moves the result, so what makes
/// it do so is large, and goes into the earlier calls, which K = 1 does not see. It then wants a small learning rate.
/// A reward that is ascended directly is soon exploited: watch a second one, and stop early.
template <class Backend, class Generator, class Reward, class Optimizer, class Sampler = detail::own_sampler,
          class Auxiliary = no_auxiliary_loss>
[[nodiscard]] auto draft(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                         draft_options o = {}, Sampler&& sampler = {}, Auxiliary&& auxiliary = {}) {
  direct_reward_gradient_options common = detail::direct_options(o);
  common.steps_with_gradient = o.steps_with_gradient;
  common.random_truncation = o.random_truncation;
  return detail::direct_trainer(backend, model, detail::part_of<Reward>(reward), detail::part_of<Optimizer>(optimizer),
                                common, o.times, detail::part_of<Sampler>(sampler),
                                detail::part_of<Auxiliary>(auxiliary));
}

/// Reward feedback learning, ReFL: Xu et al. 2023 (arXiv:2304.05977), algorithm 1: the sampler runs to a random late
/// call without a gradient; the clean prediction of that call is rated, and the loss is the mean of
///   weight max(0, margin - r),
/// differentiated through this one call. All samples of an update share the draw. Published is a second loss, that of
/// pretraining; a consistency_regularizer on data is that of a consistency model.
///
/// Samplers as for draft; published is a deterministic one: refl(backend, model, reward, adamw{}, {}, ddim_sampler{}).
template <class Backend, class Generator, class Reward, class Optimizer, class Sampler = detail::own_sampler,
          class Auxiliary = no_auxiliary_loss>
[[nodiscard]] auto refl(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer, refl_options o = {},
                        Sampler&& sampler = {}, Auxiliary&& auxiliary = {}) {
  direct_reward_gradient_options common = detail::direct_options(o);
  common.jump_from = o.jump_from.value_or(3 * o.horizon / 4);
  common.loss = {.weight = o.weight, .margin = o.margin, .rewards = o.rewards};
  return detail::direct_trainer(backend, model, detail::part_of<Reward>(reward), detail::part_of<Optimizer>(optimizer),
                                common, o.times, detail::part_of<Sampler>(sampler),
                                detail::part_of<Auxiliary>(auxiliary));
}

}  // namespace fewstep

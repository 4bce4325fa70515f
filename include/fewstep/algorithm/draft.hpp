// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/consistency_steps.hpp>
#include <fewstep/algorithm/direct_reward_gradient_options.hpp>
#include <fewstep/algorithm/direct_reward_gradient_parts.hpp>
#include <fewstep/algorithm/named_algorithm.hpp>
#include <fewstep/algorithm/not_given.hpp>
#include <fewstep/sampler/sampler.hpp>

#include <concepts>

namespace fewstep {

/// DRaFT-1: the gradient goes through the last call. steps_with_gradient = horizon is DRaFT, which few steps can
/// afford. The sampler is that of a consistency model, left at its last call, whose clean prediction is rated: one
/// call is enough for that, and no noise is added to the result.
struct draft_defaults : direct_reward_gradient_defaults {
  [[nodiscard]] static direct_reward_gradient_options options() { return usual_direct_reward_gradient_options(); }
  template <class Given>
  static void settle(const Given&, direct_reward_gradient_options& o) {
    if constexpr (std::same_as<decltype(Given::sampler), not_given>)
      if (!o.jump_from) o.jump_from = o.horizon - 1;
  }
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend&, const Generator& model, const Given&,
                                  const direct_reward_gradient_options&) {
    return direct_reward_gradient_parts{.sampler = detail::consistency_steps(model, last_step::stochastic, 1)};
  }
};

/// As published (weight, margin, 40 calls), left at the last quarter of the calls.
struct refl_defaults : draft_defaults {
  [[nodiscard]] static direct_reward_gradient_options options() {
    direct_reward_gradient_options o = usual_direct_reward_gradient_options();
    o.horizon = 40;
    o.weight = 1e-3f;
    o.margin = 2;
    return o;
  }
  template <class Given>
  static void settle(const Given&, direct_reward_gradient_options& o) {
    if (!o.jump_from) o.jump_from = 3 * o.horizon / 4;
  }
};

/// Direct reward fine-tuning, DRaFT-K: Clark, Vicol, Swersky and Fleet 2023 (arXiv:2309.17400): the gradient of the
/// reward through the last K of the sampler's calls. With random_truncation it is AlignProp's randomized truncated
/// backpropagation (Prabhudesai et al. 2023, arXiv:2310.03739), K being one draw an update.
///
/// The sampler is the consistency sampler, or LCM's where the generator has discrete timesteps, whose last clean
/// prediction is rated; another may be given:
///
///   draft(backend, model, direct_reward_gradient_parts{.reward = reward, .optimizer = adamw{}, .sampler =
///   ddim_sampler{}},
///         {.horizon = 50})
///
/// The auxiliary part is a loss beside it, such as a consistency_regularizer. Called as named_algorithm says.
///
/// With a few steps let K be the horizon: the last call of a consistency sampler hardly moves the result, so what makes
/// it do so is large, and goes into the earlier calls, which K = 1 does not see. It then wants a small learning rate.
/// A reward that is ascended directly is soon exploited: watch a second one, and stop early.
inline constexpr named_algorithm<draft_defaults> draft{};

/// Reward feedback learning, ReFL: Xu et al. 2023 (arXiv:2304.05977), algorithm 1: the sampler runs to a random late
/// call without a gradient; the clean prediction of that call is rated, and the loss is the mean of
///   weight max(0, margin - r),
/// differentiated through this one call. All samples of an update share the draw. Published is a second loss, that of
/// pretraining; a consistency_regularizer on data is that of a consistency model.
///
/// Samplers as for draft; published is a deterministic one: .sampler = ddim_sampler{}.
inline constexpr named_algorithm<refl_defaults> refl{};

}  // namespace fewstep

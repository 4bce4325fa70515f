// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace fewstep {

/// Settings of DDPO; the defaults are those published for the compression tasks (Black et al. 2023, arXiv:2305.13301,
/// appendix, and its PyTorch code), but for the clip range, which follows the dimension (published: 1e-4f), and the
/// number of prompts: published are 256 samples an update, one of a prompt drawn for each.
struct ddpo_options {
  int horizon = 50;
  int first_trained = 0;  ///< network calls before this one (from 0) are sampled and not trained
  float eta = 1;          ///< noise of DDIM; 1: all of the ancestral sampler's
  /// One per network call, decreasing; empty: the sampler's own, which for a process with timesteps are 981, 961 ... 1.
  std::vector<float> times = {};
  int prompts_per_update = 64;
  int samples_per_prompt = 1;
  clip_bounds clip_range = automatic;  ///< of ddpo
  fewstep::reduction reduction = fewstep::reduction::mean;
  int inner_epochs = 1;
  int optimizer_steps = 0;  ///< 0: as published, 4 of ddpo and 1 of ddpo_sf
  float max_gradient_norm = 1;
  rate_schedule schedule{};
  reward_check rewards{};
  float ema_decay = 0;
  std::size_t memory_budget = std::size_t{1} << 30;
  std::uint64_t seed = 0;
};

namespace detail {

/// DDPO with any objective on its steps.
template <class Backend, class Generator, class Reward, class Optimizer, class Advantage, class Objective,
          class Regularizer>
[[nodiscard]] auto denoising_policy_gradient(Backend& backend, Generator& model, Reward reward, Optimizer optimizer,
                                             const ddpo_options& o, Advantage advantage, Objective value,
                                             Regularizer regularizer) {
  policy_gradient_parts parts{.sampler = ddim_sampler{.eta = o.eta, .times = o.times},
                              .reward = std::move(reward),
                              .advantage = std::move(advantage),
                              .objective = value,
                              .regularizer = std::move(regularizer),
                              .optimizer = std::move(optimizer)};
  return policy_gradient<Backend, Generator, decltype(parts)>(backend, model, std::move(parts), common_options(o));
}

}  // namespace detail

/// Denoising diffusion policy optimization: Black, Janner, Du, Kostrikov and Levine 2023 (arXiv:2305.13301), with
/// importance sampling (DDPO-IS, section 4.3).
///
///   for each update: draw prompts, sample with the H steps of DDIM, noise included, rate the last state,
///   normalise rewards per prompt, clipped at 5, and, a few optimizer steps long, ascend mean over samples and steps of
///   min(A rho, A clip(rho, 1 - eps, 1 + eps)),  rho = pi(x_{k+1} | x_k) / pi_old(x_{k+1} | x_k).
///
/// Every preconditioning has DDIM's steps. Those of DDPO are the fifty timesteps of a variance-preserving process:
/// epsilon_prediction and velocity_prediction have them, and a network trained as an edm_denoiser has them as
///
///   text_unet<cpu_backend, variance_preserving<edm_denoiser>>   (generator/rescaled.hpp)
///
/// Published with guidance, 5 at sampling and training, and AdamW:
///
///   guided model(backend, generator, {.scale = 5.0f});
///   auto trainer = ddpo(backend, model, reward, adamw{.learning_rate = 3e-4f, .weight_decay = 1e-4f});
///
/// Advantage and regularizer may be exchanged; both default to what was published (per-prompt buffer, none).
/// Backend, generator and the regularizer's reference must outlive the trainer.
template <class Backend, class Generator, class Reward, class Optimizer, class Advantage = prompt_buffer_advantage,
          class Regularizer = no_regularizer>
[[nodiscard]] auto ddpo(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer, ddpo_options o = {},
                        Advantage&& advantage = prompt_buffer_advantage{.clip = 5}, Regularizer&& regularizer = {}) {
  if (o.optimizer_steps == 0) o.optimizer_steps = 4;
  return detail::denoising_policy_gradient(backend, model, detail::part_of<Reward>(reward),
                                           detail::part_of<Optimizer>(optimizer), o,
                                           detail::part_of<Advantage>(advantage), clipped_surrogate{o.clip_range},
                                           detail::part_of<Regularizer>(regularizer));
}

/// DDPO with the plain score function (DDPO-SF, section 4.3), which holds only for the policy that sampled: one
/// optimizer step on each rollout. The update is that of ddpo with one step, to the bit.
template <class Backend, class Generator, class Reward, class Optimizer, class Advantage = prompt_buffer_advantage,
          class Regularizer = no_regularizer>
[[nodiscard]] auto ddpo_sf(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                           ddpo_options o = {}, Advantage&& advantage = prompt_buffer_advantage{.clip = 5},
                           Regularizer&& regularizer = {}) {
  if (o.optimizer_steps == 0) o.optimizer_steps = 1;
  expects(o.optimizer_steps == 1 && o.inner_epochs == 1, [&] {
    return message("ddpo_sf: optimizer_steps is ", o.optimizer_steps, " and inner_epochs ", o.inner_epochs,
                   ", but it does not correct for a policy that has moved since it sampled; use 1 of each, or ddpo");
  });
  return detail::denoising_policy_gradient(
      backend, model, detail::part_of<Reward>(reward), detail::part_of<Optimizer>(optimizer), o,
      detail::part_of<Advantage>(advantage), reinforce{}, detail::part_of<Regularizer>(regularizer));
}

}  // namespace fewstep

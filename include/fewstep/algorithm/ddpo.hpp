// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/named_algorithm.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/sampler/ddim.hpp>

namespace fewstep {

/// As published for the compression tasks (Black et al. 2023, arXiv:2305.13301, appendix, and its PyTorch code), but
/// for the clip range, which follows the dimension (published: .objective = clipped_surrogate{1e-4f}), and the number
/// of prompts: published are 256 samples an update, one of a prompt drawn for each.
struct ddpo_defaults : policy_gradient_defaults {
  [[nodiscard]] static policy_gradient_options options() {
    return {.horizon = 50,
            .optimizer_steps = 4,
            .batch = {.prompts = 64, .samples_per_prompt = 1, .shared_initial_noise = false},
            .training = {.max_gradient_norm = 1}};
  }
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend&, const Generator&, const Given&, const policy_gradient_options&) {
    return policy_gradient_parts{
        .objective = clipped_surrogate{}, .advantage = prompt_buffer_advantage{.clip = 5}, .sampler = ddim_sampler{}};
  }
};

/// Those of ddpo, with one optimizer step, and no ratio in the objective.
struct ddpo_sf_defaults : policy_gradient_defaults {
  [[nodiscard]] static policy_gradient_options options() {
    policy_gradient_options o = ddpo_defaults::options();
    o.optimizer_steps = 1;
    return o;
  }
  template <class Given>
  static void settle(const Given&, const policy_gradient_options& o) {
    expects(o.optimizer_steps == 1 && o.inner_epochs == 1, [&] {
      return message("ddpo_sf: optimizer_steps is ", o.optimizer_steps, " and inner_epochs ", o.inner_epochs,
                     ", but it does not correct for a policy that has moved since it sampled; use 1 of each, or ddpo");
    });
  }
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend&, const Generator&, const Given&, const policy_gradient_options&) {
    return policy_gradient_parts{
        .objective = reinforce{}, .advantage = prompt_buffer_advantage{.clip = 5}, .sampler = ddim_sampler{}};
  }
};

/// Denoising diffusion policy optimization: Black, Janner, Du, Kostrikov and Levine 2023 (arXiv:2305.13301), with
/// importance sampling (DDPO-IS, section 4.3).
///
///   for each update: draw prompts, sample with the H steps of DDIM, noise included, rate the last state,
///   normalise rewards per prompt, clipped at 5, and, a few optimizer steps long, ascend mean over samples and steps of
///   min(A rho, A clip(rho, 1 - eps, 1 + eps)),  rho = pi(x_{k+1} | x_k) / pi_old(x_{k+1} | x_k).
///
/// Every preconditioning has DDIM's steps. Those of DDPO are the fifty timesteps of a variance-preserving process,
/// 981, 961 ... 1: epsilon_prediction and velocity_prediction have them, and a network trained as an edm_denoiser has
/// them as
///
///   text_unet<cpu_backend, variance_preserving<edm_denoiser>>   (generator/rescaled.hpp)
///
/// Published with guidance, 5 at sampling and training, and AdamW:
///
///   guided model(backend, generator, {.scale = 5.0f});
///   auto trainer = ddpo(backend, model, reward, adamw{.learning_rate = 3e-4f, .weight_decay = 1e-4f});
///
/// Called as named_algorithm says.
inline constexpr named_algorithm<ddpo_defaults> ddpo{};

/// DDPO with the plain score function (DDPO-SF, section 4.3), which holds only for the policy that sampled: one
/// optimizer step on each rollout. The update is that of ddpo with one step, to the bit.
inline constexpr named_algorithm<ddpo_sf_defaults> ddpo_sf{};

}  // namespace fewstep

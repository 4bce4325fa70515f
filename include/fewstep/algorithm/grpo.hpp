// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/divergence_mask.hpp>
#include <fewstep/objective/guarded_surrogate.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/dance_sde.hpp>
#include <fewstep/sampler/flow_sde.hpp>
#include <fewstep/sampler/step_selection.hpp>

#include <utility>

namespace fewstep {

/// Settings of the group-relative family; the defaults are Flow-GRPO's (Liu et al. 2025, arXiv:2505.05470), which draws
/// 48 prompts an update, but for their number.
struct grpo_options {
  int horizon = 10;
  int prompts_per_update = 8;
  int samples_per_prompt = 24;
  group_scale scale = group_scale::batch_std;
  float advantage_clip = 5;
  bool shared_initial_noise = false;  ///< the samples of a prompt start from the same state
  fewstep::reduction reduction = fewstep::reduction::mean;
  int inner_epochs = 1;
  int optimizer_steps = 2;
  float max_gradient_norm = 1;
  rate_schedule schedule{};
  reward_check rewards{};
  float ema_decay = 0;
  std::size_t memory_budget = std::size_t{1} << 30;
  std::uint64_t seed = 0;
};

/// Group-relative policy optimization (Shao et al. 2024, arXiv:2402.03300) on the steps of any sampler:
///
///   A_i = (r_i - mean of the prompt's samples) / (std + epsilon), clipped,
///   ascend mean over samples and trained steps of value(log rho, A) - coefficient KL(pi, pi_ref),
///
/// value being PPO's clipped surrogate or another trust region. The sampler says what a step is (consistency_sampler,
/// cps_sampler, flow_sde_sampler, dance_sde_sampler), the selection which of them are noisy and trained.
/// Backend, generator and the regularizer's reference must outlive the trainer.
template <class Backend, class Generator, class Reward, class Optimizer, class Sampler = consistency_sampler,
          class Objective = clipped_surrogate, class Selection = all_steps, class Regularizer = no_regularizer>
[[nodiscard]] auto grpo(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer, grpo_options o = {},
                        Sampler&& sampler = {}, Objective value = {}, Selection selection = {},
                        Regularizer&& regularizer = {}) {
  policy_gradient_parts parts{.sampler = detail::part_of<Sampler>(sampler),
                              .reward = detail::part_of<Reward>(reward),
                              .advantage = group_advantage{.scale = o.scale, .clip = o.advantage_clip},
                              .objective = value,
                              .regularizer = detail::part_of<Regularizer>(regularizer),
                              .optimizer = detail::part_of<Optimizer>(optimizer),
                              .selection = selection};
  return policy_gradient<Backend, Generator, decltype(parts)>(backend, model, std::move(parts),
                                                              detail::common_options(o));
}

/// GRPO on a flow's stochastic differential equation: Flow-GRPO (Liu et al. 2025, arXiv:2505.05470). Published with
/// AdamW at 3e-4 and a KL of .01 to .04 to the reference.
template <class Backend, class Generator, class Reward, class Optimizer, class Regularizer = no_regularizer>
[[nodiscard]] auto flow_grpo(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                             grpo_options o = {}, Regularizer&& regularizer = {}) {
  return grpo(backend, model, std::forward<Reward>(reward), std::forward<Optimizer>(optimizer), o, flow_sde_sampler{},
              clipped_surrogate{}, all_steps{}, std::forward<Regularizer>(regularizer));
}

/// The same with noise of one strength at all times, one initial noise a prompt and the group's own deviation (o.scale
/// and o.shared_initial_noise are set so): DanceGRPO (Xue et al. 2025, arXiv:2505.07818). Published with 12 samples a
/// prompt and 16 steps, of which 60 % are trained.
template <class Backend, class Generator, class Reward, class Optimizer, class Regularizer = no_regularizer>
[[nodiscard]] auto dance_grpo(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                              grpo_options o = {.horizon = 16, .samples_per_prompt = 12},
                              Regularizer&& regularizer = {}) {
  o.scale = group_scale::group_std;
  o.shared_initial_noise = true;
  return grpo(backend, model, std::forward<Reward>(reward), std::forward<Optimizer>(optimizer), o, dance_sde_sampler{},
              clipped_surrogate{}, all_steps{}, std::forward<Regularizer>(regularizer));
}

/// GRPO on coefficients-preserving steps (Wang et al. 2025, arXiv:2509.05952), for few-step models: noise levels are
/// those that the network was trained at, and with noise 1 the steps are the consistency sampler's.
template <class Backend, class Generator, class Reward, class Optimizer, class Regularizer = no_regularizer>
[[nodiscard]] auto cps_grpo(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                            grpo_options o = {.horizon = 4}, Regularizer&& regularizer = {}) {
  return grpo(backend, model, std::forward<Reward>(reward), std::forward<Optimizer>(optimizer), o, cps_sampler{},
              clipped_surrogate{}, all_steps{}, std::forward<Regularizer>(regularizer));
}

/// Noise and gradients on a window of steps that slides from noise to picture, the ODE elsewhere: MixGRPO (Li et al.
/// 2025, arXiv:2507.21802). Published with 25 steps, 12 samples a prompt and a window of 4.
template <class Backend, class Generator, class Reward, class Optimizer, class Regularizer = no_regularizer>
[[nodiscard]] auto mix_grpo(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                            grpo_options o = {.horizon = 25, .samples_per_prompt = 12}, sliding_window window = {},
                            Regularizer&& regularizer = {}) {
  return grpo(backend, model, std::forward<Reward>(reward), std::forward<Optimizer>(optimizer), o, flow_sde_sampler{},
              clipped_surrogate{}, window, std::forward<Regularizer>(regularizer));
}

/// The samples of a prompt share the ODE up to a step drawn for each update, part there, and learn from it and its
/// neighbour only (o.shared_initial_noise is set): Flow-GRPO-Fast (Liu et al. 2025, arXiv:2505.05470, its fast
/// variant).
template <class Backend, class Generator, class Reward, class Optimizer, class Regularizer = no_regularizer>
[[nodiscard]] auto flow_grpo_fast(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                                  grpo_options o = {}, random_window window = {}, Regularizer&& regularizer = {}) {
  o.shared_initial_noise = true;
  return grpo(backend, model, std::forward<Reward>(reward), std::forward<Optimizer>(optimizer), o, flow_sde_sampler{},
              clipped_surrogate{}, window, std::forward<Regularizer>(regularizer));
}

/// Flow-GRPO with the trust region on the exact divergence of the policies: Flow-DPPO (2026, arXiv:2606.11025).
template <class Backend, class Generator, class Reward, class Optimizer, class Sampler = flow_sde_sampler,
          class Regularizer = no_regularizer>
[[nodiscard]] auto flow_dppo(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                             grpo_options o = {}, Sampler&& sampler = {}, divergence_mask value = {},
                             Regularizer&& regularizer = {}) {
  return grpo(backend, model, std::forward<Reward>(reward), std::forward<Optimizer>(optimizer), o,
              std::forward<Sampler>(sampler), value, all_steps{}, std::forward<Regularizer>(regularizer));
}

/// Flow-GRPO with the normalised ratio: GRPO-Guard (Wang et al. 2025, arXiv:2510.22319).
template <class Backend, class Generator, class Reward, class Optimizer, class Regularizer = no_regularizer>
[[nodiscard]] auto grpo_guard(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer,
                              grpo_options o = {}, guarded_surrogate value = {}, Regularizer&& regularizer = {}) {
  return grpo(backend, model, std::forward<Reward>(reward), std::forward<Optimizer>(optimizer), o, flow_sde_sampler{},
              value, all_steps{}, std::forward<Regularizer>(regularizer));
}

}  // namespace fewstep

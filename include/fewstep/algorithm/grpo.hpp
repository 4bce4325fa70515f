// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/named_algorithm.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
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

/// Flow-GRPO's (Liu et al. 2025, arXiv:2505.05470), which draws 48 prompts an update, but for their number. The
/// group-relative family differs in the parts that are named here; the rest is the same.
template <class Sampler, class Objective = clipped_surrogate, class Selection = all_steps>
struct group_relative_defaults : policy_gradient_defaults {
  [[nodiscard]] static policy_gradient_options options() {
    return {.horizon = 10,
            .optimizer_steps = 2,
            .batch = {.prompts = 8, .samples_per_prompt = 24, .shared_initial_noise = false},
            .training = {.max_gradient_norm = 1}};
  }
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend&, const Generator&, const Given&, const policy_gradient_options&) {
    return policy_gradient_parts{.objective = Objective{},
                                 .advantage = group_advantage{.scale = group_scale::batch_std, .clip = 5},
                                 .sampler = Sampler{},
                                 .selection = Selection{}};
  }
};

/// DanceGRPO's: 12 samples a prompt, which start from one noise, and the group's own deviation. Published with 16
/// steps, of which 60 % are trained.
struct dance_grpo_defaults : group_relative_defaults<dance_sde_sampler> {
  [[nodiscard]] static policy_gradient_options options() {
    policy_gradient_options o = group_relative_defaults::options();
    o.horizon = 16;
    o.batch.samples_per_prompt = 12;
    o.batch.shared_initial_noise = true;
    return o;
  }
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend& backend, const Generator& model, const Given& given,
                                  const policy_gradient_options& o) {
    auto p = group_relative_defaults::parts(backend, model, given, o);
    p.advantage.scale = group_scale::group_std;
    return p;
  }
};

/// Those of few-step models: 4 calls.
struct cps_grpo_defaults : group_relative_defaults<cps_sampler> {
  [[nodiscard]] static policy_gradient_options options() {
    policy_gradient_options o = group_relative_defaults::options();
    o.horizon = 4;
    return o;
  }
};

/// MixGRPO's: 25 steps, 12 samples a prompt and a window of 4.
struct mix_grpo_defaults : group_relative_defaults<flow_sde_sampler, clipped_surrogate, sliding_window> {
  [[nodiscard]] static policy_gradient_options options() {
    policy_gradient_options o = group_relative_defaults::options();
    o.horizon = 25;
    o.batch.samples_per_prompt = 12;
    return o;
  }
};

/// Flow-GRPO-Fast's: the samples of a prompt start from one noise.
struct flow_grpo_fast_defaults : group_relative_defaults<flow_sde_sampler, clipped_surrogate, random_window> {
  [[nodiscard]] static policy_gradient_options options() {
    policy_gradient_options o = group_relative_defaults::options();
    o.batch.shared_initial_noise = true;
    return o;
  }
};

/// Group-relative policy optimization (Shao et al. 2024, arXiv:2402.03300) on the steps of any sampler:
///
///   A_i = (r_i - mean of the prompt's samples) / (std + epsilon), clipped,
///   ascend mean over samples and trained steps of value(log rho, A) - coefficient KL(pi, pi_ref),
///
/// value being the objective: PPO's clipped surrogate or another trust region. The sampler says what a step is
/// (consistency_sampler, cps_sampler, flow_sde_sampler, dance_sde_sampler), the selection which of them are noisy and
/// trained. Called, as all of the family, as named_algorithm says.
inline constexpr named_algorithm<group_relative_defaults<consistency_sampler>> grpo{};

/// GRPO on a flow's stochastic differential equation: Flow-GRPO (Liu et al. 2025, arXiv:2505.05470). Published with
/// AdamW at 3e-4 and a KL of .01 to .04 to the reference.
inline constexpr named_algorithm<group_relative_defaults<flow_sde_sampler>> flow_grpo{};

/// The same with noise of one strength at all times, one initial noise a prompt and the group's own deviation:
/// DanceGRPO (Xue et al. 2025, arXiv:2505.07818).
inline constexpr named_algorithm<dance_grpo_defaults> dance_grpo{};

/// GRPO on coefficients-preserving steps (Wang et al. 2025, arXiv:2509.05952), for few-step models: noise levels are
/// those that the network was trained at, and with noise 1 the steps are the consistency sampler's.
inline constexpr named_algorithm<cps_grpo_defaults> cps_grpo{};

/// Noise and gradients on a window of steps that slides from noise to picture, the ODE elsewhere: MixGRPO (Li et al.
/// 2025, arXiv:2507.21802).
inline constexpr named_algorithm<mix_grpo_defaults> mix_grpo{};

/// The samples of a prompt share the ODE up to a step drawn for each update, part there, and learn from it and its
/// neighbour only: Flow-GRPO-Fast (Liu et al. 2025, arXiv:2505.05470, its fast variant).
inline constexpr named_algorithm<flow_grpo_fast_defaults> flow_grpo_fast{};

/// Flow-GRPO with the trust region on the exact divergence of the policies: Flow-DPPO (2026, arXiv:2606.11025).
inline constexpr named_algorithm<group_relative_defaults<flow_sde_sampler, divergence_mask>> flow_dppo{};

/// Flow-GRPO with the normalised ratio: GRPO-Guard (Wang et al. 2025, arXiv:2510.22319).
inline constexpr named_algorithm<group_relative_defaults<flow_sde_sampler, guarded_surrogate>> grpo_guard{};

}  // namespace fewstep

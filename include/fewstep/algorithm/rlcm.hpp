// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/lcm.hpp>

#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// Settings of RLCM; the defaults are those published for the compression tasks (Oertell et al. 2024, table 1), but for
/// `last`, where the published noise on the last step is variance and nothing else, and for the clip range, which
/// follows the dimension. last_step::reference and clip_range = 1e-4f give the published ones.
struct rlcm_options {
  int horizon = 8;
  int first_trained = 0;  ///< network calls before this one (from 0) are sampled and not trained
  int prompts_per_update = 16;
  int samples_per_prompt = 1;
  clip_bounds clip_range = automatic;
  fewstep::reduction reduction = fewstep::reduction::mean;
  last_step last = last_step::mask;
  float final_sigma = 0.05f;      ///< of last_step::stochastic
  std::vector<float> times = {};  ///< one per network call, decreasing; empty: the sampler's own
  int inner_epochs = 1;
  int optimizer_steps = 1;
  float max_gradient_norm = 5;
  rate_schedule schedule{};
  reward_check rewards{};
  float ema_decay = 0;
  std::size_t memory_budget = std::size_t{1} << 30;
  std::uint64_t seed = 0;
};

namespace detail {

/// The sampler of a consistency model, LCM's where it has discrete timesteps; `o` has times, last and final_sigma.
template <class Generator, class Options>
[[nodiscard]] auto consistency_steps([[maybe_unused]] const Generator& model, const Options& o) {
  if constexpr (!has_preconditioner<Generator>) {
    return consistency_sampler{};  // policy_gradient says what is missing
  } else if constexpr (discrete_preconditioning<decltype(model.preconditioner())>) {
    expects(o.times.empty(),
            "rlcm: times are given, but this generator has discrete timesteps, which the LCM rule chooses; leave times "
            "empty");
    return lcm_sampler{.last = o.last, .final_sigma = o.final_sigma};
  } else {
    return consistency_sampler{.times = o.times, .last = o.last, .final_sigma = o.final_sigma};
  }
}

}  // namespace detail

/// RL for consistency models: Oertell, Chang, Zhang, Brantley and Sun 2024 (arXiv:2404.03673), algorithm 1.
///
///   for each update: draw prompts, sample with the H-step consistency sampler, rate the results,
///   normalise rewards per prompt, and ascend mean over samples and steps of
///   min(A rho, A clip(rho, 1 - eps, 1 + eps)),  rho = pi(x_{k+1} | x_k) / pi_old(x_{k+1} | x_k).
///
/// The sampler is the multistep consistency sampler, or LCM's where the generator has discrete timesteps. Advantage and
/// regularizer may be exchanged; both default to what was published (per-prompt buffer, none).
/// Backend, generator and the regularizer's reference must outlive the trainer.
template <class Backend, class Generator, class Reward, class Optimizer, class Advantage = prompt_buffer_advantage,
          class Regularizer = no_regularizer>
[[nodiscard]] auto rlcm(Backend& backend, Generator& model, Reward&& reward, Optimizer&& optimizer, rlcm_options o = {},
                        Advantage&& advantage = {}, Regularizer&& regularizer = {}) {
  policy_gradient_parts parts{detail::consistency_steps(model, o),       detail::part_of<Reward>(reward),
                              detail::part_of<Advantage>(advantage),     clipped_surrogate{o.clip_range},
                              detail::part_of<Regularizer>(regularizer), detail::part_of<Optimizer>(optimizer)};
  return policy_gradient<Backend, Generator, decltype(parts)>(backend, model, std::move(parts),
                                                              detail::common_options(o));
}

}  // namespace fewstep

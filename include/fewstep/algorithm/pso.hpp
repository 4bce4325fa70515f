// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/d3po.hpp>
#include <fewstep/algorithm/named_preference_algorithm.hpp>
#include <fewstep/preference/clipped_link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/time_law.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <algorithm>
#include <utility>

namespace fewstep {

/// PSO on-line, pairwise sample optimization of a few-step model: Miao et al. 2024 (arXiv:2410.03190). D3PO over the
/// model's own few steps, whose last has no noise and is not compared; called as d3po is. Numbers are those of the
/// published code for SDXL-DMD2: beta 50, four steps, 16 prompts, an optimizer step for four comparisons, and a rate of
/// 1e-5 for adapters of rank 16. That code also clips, .link = pso_code_link, and takes a vector of rewards, which is
/// pareto_rewards; it means to begin both samples alike and does not, .batch = {.shared_initial_noise = false}.
inline constexpr struct {
  template <class Backend, class Generator, class Reward, class Parts, class Sampler = consistency_sampler>
  [[nodiscard]] auto operator()(Backend& backend, Generator& model, Reward&& reward, Parts&& parts, d3po_options o = {},
                                const Sampler& sampler = {}) const {
    o.pairs.horizon = o.pairs.horizon.or_else(4);
    o.pairs.batch = with_defaults(o.pairs.batch, {.prompts = 16});
    trajectory_pairs source(backend, model, detail::part_of<Reward>(reward), sampler, o.pairs);
    const int steps = static_cast<int>(std::max<index_t>(source.comparisons() / 4, 1));
    return preference_optimization(
        backend, model, std::move(source),
        detail::published_parts(detail::part_of<Parts>(parts), logistic_link{.beta = 50}),
        with_defaults(o.update, {.optimizer_steps = steps, .training = {.max_gradient_norm = 1}}));
  }
} pso{};

/// The loss of the published code of PSO.
inline constexpr clipped_link<logistic_link> pso_code_link{
    .link = {.beta = 50}, .range = 0.1f, .sides = clip_sides::both};

struct pso_offline_defaults {
  [[nodiscard]] static preference_algorithm_options options() { return {.pairs = {.comparisons = 4, .scale = 1.0f}}; }
  [[nodiscard]] static auto link() { return logistic_link{.beta = 5}; }
  [[nodiscard]] static auto times() { return listed_times{}; }
};

/// PSO off-line: of pairs of a target and a sample of the model before training, noised alike to the times of its
/// sampler, which must be given: pso_offline(backend, model, pairs, parts, {}, listed_times{{249, 499, 749, 999}}).
/// Numbers are those of the published code for customization.
inline constexpr named_preference_algorithm<pso_offline_defaults> pso_offline{};

}  // namespace fewstep

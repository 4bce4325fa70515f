// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/preference_optimization.hpp>
#include <fewstep/algorithm/preference_optimization_options.hpp>
#include <fewstep/algorithm/preference_parts.hpp>
#include <fewstep/algorithm/trajectory_pairs.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/clipped_link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <utility>

namespace fewstep {

struct d3po_options {
  trajectory_pairs_options pairs{};
  preference_optimization_options update{};  ///< an optimizer step a pair where nothing else is said
};

/// D3PO: Yang et al. 2023 (arXiv:2311.13231), equation 14.
///
///   for each update: draw prompts, sample two trajectories of each from one initial state, prefer the one with the
///   higher reward at all of its steps, and descend, an optimizer step for every pair,
///   -log sigmoid(beta log pi(w) / pi_ref(w) - beta log pi(l) / pi_ref(l)),  pi the density of a step, a mean over D.
///
///   auto trainer = d3po(backend, model, reward,
///                       preference_parts{.optimizer = adamw{.learning_rate = 3e-5f}, .reference =
///                       frozen_reference(base)});
///   trainer.update(contexts);
///
/// beta is 0.1 where no link is given. The published code also clips both ratios to [0.9, 1.1], whichever is preferred,
/// so that a winner which has become less likely than that is left there: that is .link = d3po_code_link.
inline constexpr struct {
  template <class Backend, class Generator, class Reward, class Parts, class Sampler = ddim_sampler>
  [[nodiscard]] auto operator()(Backend& backend, Generator& model, Reward&& reward, Parts&& parts, d3po_options o = {},
                                const Sampler& sampler = {}) const {
    trajectory_pairs source(backend, model, detail::part_of<Reward>(reward), sampler, o.pairs);
    const index_t pairs = source.comparisons() / source.table().trained;
    return preference_optimization(
        backend, model, std::move(source),
        detail::published_parts(detail::part_of<Parts>(parts), logistic_link{.beta = 0.1f}),
        with_defaults(o.update, {.optimizer_steps = static_cast<int>(pairs), .training = {.max_gradient_norm = 1}}));
  }
} d3po{};

/// The loss of the published code of D3PO.
inline constexpr clipped_link<logistic_link> d3po_code_link{
    .link = {.beta = 0.1f}, .range = 0.1f, .sides = clip_sides::both};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/preference_optimization.hpp>
#include <fewstep/algorithm/preference_optimization_options.hpp>
#include <fewstep/algorithm/preference_parts.hpp>
#include <fewstep/algorithm/step_pairs.hpp>
#include <fewstep/algorithm/step_pairs_options.hpp>
#include <fewstep/preference/clipped_link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <utility>

namespace fewstep {

struct spo_options {
  step_pairs_options pairs{};
  preference_optimization_options update{};  ///< an optimizer step for as many comparisons as there are prompts
};

/// SPO, step-aware preference optimization: Liang et al. 2024 (arXiv:2406.04314).
///
///   for each update: sample a trajectory of each prompt by DDIM (eta 1); from step 4 on draw four next states at each
///   step, compare the best and the worst of them by a judge that knows the step, go on from any one, and descend
///   -log sigmoid(beta log pi(w | x) / pi_ref(w | x) - beta log pi(l | x) / pi_ref(l | x)),  of means over D.
///
///   auto trainer = spo(backend, model, judge, preference_parts{.optimizer = adamw{.learning_rate = 6e-5f}, .reference
///   = frozen_reference(base)}); trainer.update(contexts);
///
/// The judge is a step_reward. Numbers are those of the published code (RockeyCoss/SPO at 27a8642, for Stable
/// Diffusion 1.5); it clips as that of D3PO does, which is .link = spo_code_link.
inline constexpr struct {
  template <class Backend, class Generator, class Judge, class Parts, class Sampler = ddim_sampler>
  [[nodiscard]] auto operator()(Backend& backend, Generator& model, Judge&& judge, Parts&& parts,
                                const spo_options& o = {}, const Sampler& sampler = {}) const {
    step_pairs source(backend, model, detail::part_of<Judge>(judge), sampler, o.pairs);
    const int steps = source.table().trained;
    return preference_optimization(
        backend, model, std::move(source),
        detail::published_parts(detail::part_of<Parts>(parts), logistic_link{.beta = 10}),
        with_defaults(o.update, {.optimizer_steps = steps, .training = {.max_gradient_norm = 1}}));
  }
} spo{};

/// The loss of the published code of SPO.
inline constexpr clipped_link<logistic_link> spo_code_link{
    .link = {.beta = 10}, .range = 0.1f, .sides = clip_sides::both};

}  // namespace fewstep

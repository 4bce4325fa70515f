// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/inverted_pairs.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/preference_optimization.hpp>
#include <fewstep/algorithm/preference_optimization_options.hpp>
#include <fewstep/algorithm/preference_parts.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/time_law.hpp>

#include <utility>

namespace fewstep {

struct ddim_inpo_options {
  inverted_pairs_options pairs{};  ///< 1024 an update where nothing else is said
  preference_optimization_options update{};
};

/// DDIM-InPO: Lu et al. 2025 (arXiv:2503.18454). Diffusion-DPO on states that are found by inversion instead of noise
/// that is drawn: the same target every time, so a gradient of less variance.
///
///   auto trainer = ddim_inpo(backend, model, base, pairs, preference_parts{.optimizer = adamw{}, .reference =
///   frozen_reference(base)});
///
/// inverts with `base`, which the paper says; the published code inverts with the model that is trained, `model` in its
/// place. That code also ends on a grid of tenths of the process, up to a tenth away from the level that its loss
/// assumes, and adds noise (0.1 of the posterior's deviation); here the inversion ends at the level, without noise.
/// beta is 2000 where no link is given.
inline constexpr struct {
  template <class Backend, class Generator, class Inverter, class Pairs, class Parts, class Times = uniform_times>
  [[nodiscard]] auto operator()(Backend& backend, Generator& model, Inverter& inverter, Pairs&& pairs, Parts&& parts,
                                ddim_inpo_options o = {}, Times times = {}) const {
    o.pairs.pairs = with_defaults(o.pairs.pairs, {.comparisons = 1024});
    return preference_optimization(
        backend, model,
        inverted_pairs(backend, model, detail::part_of<Pairs>(pairs), std::move(times), inverter, o.pairs),
        detail::published_parts(detail::part_of<Parts>(parts), logistic_link{.beta = 2000}), o.update);
  }
} ddim_inpo{};

}  // namespace fewstep

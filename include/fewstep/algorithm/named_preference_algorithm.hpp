// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/corrupted_pairs.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/preference_optimization.hpp>
#include <fewstep/algorithm/preference_optimization_options.hpp>
#include <fewstep/algorithm/preference_parts.hpp>

#include <utility>

namespace fewstep {

/// Settings of a preference algorithm on corrupted_pairs; what is not given is the algorithm's published one.
struct preference_algorithm_options {
  corrupted_pairs_options pairs{};
  preference_optimization_options update{};
};

/// A preference algorithm on corrupted_pairs by its name. What the caller does not give is what was published, as
/// `Defaults` says:
///
///   struct my_defaults {
///     static preference_algorithm_options options() { return {.pairs = {.comparisons = 64}}; }
///     static auto link() { return logistic_link{.beta = 500}; }
///     static auto times() { return uniform_times{}; }
///   };
///   inline constexpr named_preference_algorithm<my_defaults> mine{};
///
/// All are called alike, with a pair_source or a judged_source, and times by a time_law of one's own if need be:
///
///   auto base = model.base();   // of a model with adapters; else a second model with the same parameters
///   auto trainer = diffusion_dpo(backend, model, pairs,
///                                preference_parts{.optimizer = adamw{}, .reference = frozen_reference(base)},
///                                {.pairs = {.comparisons = 32}}, listed_times{{249, 499, 749, 999}});
///   while (trainer.index() < 400) trainer.update();
template <class Defaults>
struct named_preference_algorithm {
  using defaults = Defaults;

  template <class Backend, class Generator, class Source, class Parts, class Times = decltype(Defaults::times())>
  [[nodiscard]] auto operator()(Backend& backend, Generator& model, Source&& source, Parts&& parts,
                                const preference_algorithm_options& o = {}, Times times = Defaults::times()) const {
    const preference_algorithm_options published = Defaults::options();
    return preference_optimization(backend, model,
                                   corrupted_pairs(backend, model, detail::part_of<Source>(source), std::move(times),
                                                   with_defaults(o.pairs, published.pairs)),
                                   detail::published_parts(detail::part_of<Parts>(parts), Defaults::link()),
                                   with_defaults(o.update, published.update));
  }
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <concepts>

namespace fewstep {

/// A rule that turns a preconditioning and a number of network calls into a table of affine-Gaussian transitions.
///
/// The compiler cannot check: the table passes check(), has one row per network call, and is the same at every call.
/// A sampler runs once, on the host; a rollout knows nothing of it but its table.
///
/// Smallest model (one step from pure noise to the clean prediction):
///   struct one_step {
///     template <preconditioning P>
///     step_table table(const P& p, int) const {
///       const auto [in, skip, out] = p(p.max_time());
///       return {{{p.max_time(), p.min_time(), skip, out, 0, in, skip, out}}, 0, emitted::clean,
///               initial_sigma(p, p.max_time())};
///     }
///   };
/// Models here: consistency_sampler, lcm_sampler, ddim_sampler.
template <class S, class P>
concept sampler = preconditioning<P> && requires(const S& s, const P& p, int network_calls) {
  { s.table(p, network_calls) } -> std::same_as<step_table>;
};

namespace detail {

/// Whether S models sampler; where it does not, the compiler says what is missing.
template <class S, class P>
consteval bool require_sampler() {
  static_assert(
      sampler<S, P>,
      "fewstep::sampler: step_table table(const Preconditioning&, int network_calls) const is missing, or does "
      "not take this generator's preconditioning");
  return sampler<S, P>;
}

}  // namespace detail

}  // namespace fewstep

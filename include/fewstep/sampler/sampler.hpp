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
/// Smallest model (one step from pure noise to the prediction, with some noise to learn from):
///   struct one_step {
///     template <preconditioning P>
///     step_table table(const P& p, int) const {
///       const float t = p.max_time();
///       const auto [in, skip, out] = p(t);
///       return {.rows = {{t, p.min_time(), skip, out, 0.5f, in, skip, out}}, .trained = 1,
///               .result = emitted::state, .initial_sigma = initial_sigma(p, t)};
///     }
///   };
/// A sampler may have without_noise(), the deterministic sampler of the same times, which windows of steps ask for.
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

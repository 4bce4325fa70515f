// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/batch.hpp>

namespace fewstep {

/// Rows that are compared with each other: the state x[N, D] of each, its time and what it is conditioned on, and the
/// output that the network should have had there. Rows stand together in comparisons of `members` rows: the two of a
/// pair, or single samples that were judged good or bad. What a model makes of row i is its log-ratio to a reference,
///
///   scale[i] ( |target - o_ref|^2 - |target - o|^2 ),
///
/// which for a transition x' ~ N(a x + b o, sigma^2 I) is log pi(x') - log pi_ref(x') at target = (x' - a x) / b and
/// scale = b^2 / (2 sigma^2); so a comparison of trajectories (D3PO) and one of denoising errors (Diffusion-DPO) are
/// one. It does not own.
template <class Context>
struct preference_rows {
  batch<Context> rows;
  matrix<const float> target;  ///< o* [N, D]
  vec<const float> scale;      ///< [N]
  /// [N, F], by segment: 1 where the row is the better one there, -1 where it is the worse one, 0 for a tie. Those of
  /// the members of a pair are each other's negative.
  matrix<const float> labels;
  int members = 2;

  [[nodiscard]] index_t comparisons() const { return rows.rows() / members; }
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>

#include <cstdint>

namespace fewstep {

/// Transitions that are learned from, each of which says all of itself: the state x[N, D], its time and what it is
/// conditioned on, the state that followed, and what its action is worth. A replay makes them of a trajectory; any
/// other source (pairs, an inverter, an environment) may, in any order and of any steps. It does not own.
template <class Context>
struct transition_rows {
  batch<Context> rows;
  matrix<const float> next;               ///< x' [N, D]
  vec<const std::int32_t> step;           ///< [N], row of the step table
  vec<const double> old_log_probability;  ///< [N], of the policy that drew x'
  vec<const float> advantage;             ///< [N], by row: step rewards, weights and discounts are in it
  matrix<const float> old_output{};       ///< o of that policy [N, D], or null where the objective does not ask for it

  [[nodiscard]] index_t size() const { return rows.rows(); }
};

}  // namespace fewstep

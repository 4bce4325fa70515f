// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cstdint>

namespace fewstep {

/// The scale by which a transition's log-ratio is a difference of squared errors of the network's output:
/// log pi - log pi_ref = b^2 / (2 sigma^2) (|o* - o_ref|^2 - |o* - o|^2) with o* = (x' - a x) / b, of the sum over the
/// coordinates as of their mean.
[[nodiscard]] inline double transition_scale(const step_row& row) {
  const double ratio = static_cast<double>(row.b) / static_cast<double>(row.sigma);
  return 0.5 * ratio * ratio;
}

namespace detail {

/// target[i] = (target[i] - a x[i]) / b of the row's step, for target[N, D] that holds the states that followed x.
struct transition_targets {
  matrix<const float> x;
  matrix<float> target;
  const std::int32_t* step;  ///< [N], row of the table
  const step_row* table;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return x.cols(); }
  FEWSTEP_HD void operator()(index_t i, index_t d) const {
    const step_row& row = table[step[i]];
    target(i, d) = (target(i, d) - row.a * x(i, d)) / row.b;
  }
  FEWSTEP_HD void operator()(index_t i) const {
    const float a = table[step[i]].a, b = table[step[i]].b;
    const float* from = x.row(i);
    float* to = target.row(i);
    for (index_t d = 0; d < x.cols(); ++d) to[d] = (to[d] - a * from[d]) / b;
  }
};

}  // namespace detail

}  // namespace fewstep

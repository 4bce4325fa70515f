// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <cmath>
#include <cstddef>
#include <span>

namespace fewstep {

/// The label of a pair that several rewards were given to: 1 where the first dominates, being lower in none and higher
/// in one, -1 where the second does, and 0 where neither does. Rewards that differ by no more than `tie` are equal. So
/// the published code of PSO labels (Miao et al. 2024, arXiv:2410.03190); of one reward it is the order.
[[nodiscard]] inline float pareto_label(std::span<const float> first, std::span<const float> second, float tie = 0) {
  expects(first.size() == second.size(), [&] {
    return message("pareto_label: the first has ", first.size(), " rewards and the second ", second.size(),
                   "; rate both by the same");
  });
  bool higher = false, lower = false;
  for (std::size_t k = 0; k < first.size(); ++k) {
    const float more = first[k] - second[k];
    expects(std::isfinite(more), [&] {
      return message("pareto_label: reward ", k, " is ", first[k], " for the first and ", second[k],
                     " for the second; rewards must be finite");
    });
    if (std::abs(more) <= tie) continue;
    (more > 0 ? higher : lower) = true;
  }
  return higher == lower ? 0.0f : higher ? 1.0f : -1.0f;
}

}  // namespace fewstep

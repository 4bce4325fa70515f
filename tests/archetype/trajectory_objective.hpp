// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/objective/trajectory_objective.hpp>

#include <span>
#include <type_traits>

/// The smallest model of fewstep::trajectory_objective, and models that lack one requirement each.
namespace trajectory_objective_archetype {

enum class drop { nothing, call, const_call, result };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  std::conditional_t<D == drop::result, float, double> operator()(std::span<const double>, std::span<const float>, int,
                                                                  std::span<float>) const
      requires(D != drop::call && D != drop::const_call);
  double operator()(std::span<const double>, std::span<const float>, int,
                    std::span<float>) requires(D == drop::const_call);
};

}  // namespace trajectory_objective_archetype

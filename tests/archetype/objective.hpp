// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/objective/objective.hpp>

#include <type_traits>

/// The smallest model of fewstep::objective, and models that lack one requirement each.
namespace objective_archetype {

using fewstep::surrogate;
using fewstep::transition;

enum class drop { nothing, call, const_call, result, trivial_copy };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = default;
  archetype(const archetype&) requires(D == drop::trivial_copy) {}
  archetype& operator=(const archetype&) = delete;

  std::conditional_t<D == drop::result, float, surrogate> operator()(transition) const
      requires(D != drop::call && D != drop::const_call);
  surrogate operator()(transition) requires(D == drop::const_call);
};

}  // namespace objective_archetype

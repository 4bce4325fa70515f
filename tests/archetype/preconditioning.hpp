// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/preconditioning.hpp>

#include <type_traits>

/// The smallest model of fewstep::preconditioning, and models that lack one requirement each.
namespace preconditioning_archetype {

using fewstep::coefficients;
using fewstep::noise_level;

enum class drop { nothing, call, level, level_type, noise_floor, min_time, max_time, trivial_copy };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = default;
  archetype(const archetype&) requires(D == drop::trivial_copy) {}
  archetype& operator=(const archetype&) = delete;

  coefficients operator()(float) const requires(D != drop::call);
  std::conditional_t<D == drop::level_type, float, noise_level> level(float) const requires(D != drop::level);
  float noise_floor() const requires(D != drop::noise_floor);
  float min_time() const requires(D != drop::min_time);
  float max_time() const requires(D != drop::max_time);
};

}  // namespace preconditioning_archetype

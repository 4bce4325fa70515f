// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/sampler/step_selection.hpp>

#include <cstdint>
#include <type_traits>

/// The smallest model of fewstep::step_selection, and models that lack one requirement each.
namespace step_selection_archetype {

using fewstep::step_window;

enum class drop { nothing, window, const_window, result, noise_elsewhere };

template <bool Declared, bool Noise>
struct noise_outside {};
template <bool Noise>
struct noise_outside<true, Noise> {
  static constexpr bool noise_elsewhere = Noise;
};

template <drop D = drop::nothing, bool Noise = true>
struct archetype : noise_outside<D != drop::noise_elsewhere, Noise> {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  std::conditional_t<D == drop::result, int, step_window> window(std::int64_t, int, std::uint64_t) const
      requires(D != drop::window && D != drop::const_window);
  step_window window(std::int64_t, int, std::uint64_t) requires(D == drop::const_window);
};

}  // namespace step_selection_archetype

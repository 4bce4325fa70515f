// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "archetype/generator.hpp"

/// The smallest generator that can be guided, and one that cannot.
namespace guidable_archetype {

enum class drop { nothing, unconditional, const_unconditional };

template <drop D = drop::nothing>
struct archetype : generator_archetype::archetype<> {
  context_type unconditional() const requires(D == drop::nothing);
  context_type unconditional() requires(D == drop::const_unconditional);
};

}  // namespace guidable_archetype

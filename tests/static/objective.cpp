// SPDX-License-Identifier: Apache-2.0
#include "archetype/objective.hpp"

#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/objective/reinforce.hpp>

namespace {

using namespace objective_archetype;

static_assert(fewstep::objective<archetype<>>);
static_assert(!fewstep::objective<archetype<drop::call>>);
static_assert(!fewstep::objective<archetype<drop::const_call>>);
static_assert(!fewstep::objective<archetype<drop::result>>);
static_assert(!fewstep::objective<archetype<drop::trivial_copy>>, "an objective is passed to kernels by value");

static_assert(fewstep::objective<fewstep::reinforce>);
static_assert(fewstep::objective<fewstep::clipped_surrogate>);
static_assert(!fewstep::objective<int>);

constexpr fewstep::step_row row{1, 0.5f, 1, 1, 1, 1, 0, 1};

// On policy the slope is the advantage, at compile time already.
static_assert(fewstep::clipped_surrogate{}({0.0f, 0.3f, row, 0}).slope == 0.3f);
static_assert(fewstep::reinforce{}({0.0f, 0.3f, row, 0}).slope == 0.3f);

}  // namespace

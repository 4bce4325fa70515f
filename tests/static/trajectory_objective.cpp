// SPDX-License-Identifier: Apache-2.0
#include "archetype/trajectory_objective.hpp"
#include "archetype/objective.hpp"

#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reward_regression.hpp>
#include <fewstep/objective/trajectory_objective.hpp>

#include <concepts>

namespace {

using namespace trajectory_objective_archetype;

static_assert(fewstep::trajectory_objective<archetype<>>);
static_assert(!fewstep::trajectory_objective<archetype<drop::call>>);
static_assert(!fewstep::trajectory_objective<archetype<drop::const_call>>);
static_assert(!fewstep::trajectory_objective<archetype<drop::result>>);
static_assert(!fewstep::trajectory_objective<objective_archetype::archetype<>>, "it is one over transitions");
static_assert(!fewstep::objective<archetype<>>);
static_assert(fewstep::trajectory_objective<fewstep::reward_regression>);

template <class O>
using applied = typename fewstep::detail::transition_objective<O>::type;
static_assert(std::same_as<applied<fewstep::clipped_surrogate>, fewstep::clipped_surrogate>);
static_assert(fewstep::objective<applied<fewstep::reward_regression>>);

}  // namespace

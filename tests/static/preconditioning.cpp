// SPDX-License-Identifier: Apache-2.0
#include "archetype/preconditioning.hpp"

#include <fewstep/generator/preconditioning.hpp>

namespace {

using namespace preconditioning_archetype;

static_assert(fewstep::preconditioning<archetype<>>);
static_assert(!fewstep::discrete_preconditioning<archetype<>>);
static_assert(!fewstep::preconditioning<archetype<drop::call>>);
static_assert(!fewstep::preconditioning<archetype<drop::level>>);
static_assert(!fewstep::preconditioning<archetype<drop::level_type>>);
static_assert(!fewstep::preconditioning<archetype<drop::noise_floor>>);
static_assert(!fewstep::preconditioning<archetype<drop::min_time>>);
static_assert(!fewstep::preconditioning<archetype<drop::max_time>>);
static_assert(!fewstep::preconditioning<archetype<drop::trivial_copy>>,
              "a preconditioning is passed to kernels by value");
static_assert(!fewstep::preconditioning<int>);

struct discrete_archetype : archetype<> {
  int training_steps() const;
};
static_assert(fewstep::discrete_preconditioning<discrete_archetype>);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/preconditioning.hpp"

#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/rescaled.hpp>

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
static_assert(fewstep::timestep_preconditioning<discrete_archetype>);

struct timestep_archetype : discrete_archetype {
  float time_of_timestep(int) const;
};
static_assert(fewstep::timestep_preconditioning<timestep_archetype>);
static_assert(!fewstep::discrete_preconditioning<timestep_archetype>, "its times are not the timesteps");
static_assert(!fewstep::timestep_preconditioning<archetype<>>);

struct edm_archetype : archetype<> {
  float sigma_data, sigma_min, sigma_max;
};
static_assert(fewstep::edm_preconditioning<edm_archetype>);
static_assert(!fewstep::edm_preconditioning<archetype<>>);
static_assert(!fewstep::edm_preconditioning<fewstep::rectified_flow<edm_archetype>>);

}  // namespace

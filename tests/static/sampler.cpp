// SPDX-License-Identifier: Apache-2.0
#include "archetype/sampler.hpp"

#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/lcm.hpp>
#include <fewstep/sampler/sampler.hpp>

namespace {

using namespace sampler_archetype;

static_assert(fewstep::sampler<archetype<>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<>, fewstep::lcm>, "a sampler is one for a preconditioning");
static_assert(!fewstep::sampler<archetype<>, int>);
static_assert(!fewstep::sampler<archetype<drop::table>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<drop::const_table>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<drop::result>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<drop::network_calls>, edm_consistency>);

static_assert(fewstep::sampler<fewstep::consistency_sampler, fewstep::flow_matching>);
static_assert(fewstep::sampler<fewstep::ddim_sampler, fewstep::velocity_prediction>);
static_assert(fewstep::sampler<fewstep::lcm_sampler, fewstep::epsilon_prediction>);
static_assert(!fewstep::sampler<fewstep::lcm_sampler, fewstep::flow_matching>, "it needs integer timesteps");

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/time_law.hpp"

#include <fewstep/generator/edm.hpp>
#include <fewstep/generator/flow_matching.hpp>

namespace {

using namespace time_law_archetype;
using fewstep::edm_consistency;
using fewstep::time_law;

static_assert(time_law<archetype<>, edm_consistency>);
static_assert(!time_law<archetype<drop::call>, edm_consistency>);
static_assert(!time_law<archetype<drop::const_call>, edm_consistency>);
static_assert(!time_law<archetype<drop::result>, edm_consistency>);
static_assert(!time_law<archetype<drop::number>, edm_consistency>);
static_assert(!time_law<int, edm_consistency>);

static_assert(time_law<fewstep::uniform_times, fewstep::flow_matching>);
static_assert(time_law<fewstep::logit_normal_times, fewstep::flow_matching>);
static_assert(time_law<fewstep::listed_times, fewstep::flow_matching>);

}  // namespace

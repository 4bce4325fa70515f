// SPDX-License-Identifier: Apache-2.0
#include "archetype/preference_link.hpp"

#include <fewstep/preference/clipped_link.hpp>
#include <fewstep/preference/hinge_link.hpp>
#include <fewstep/preference/identity_link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/odds_ratio_link.hpp>
#include <fewstep/preference/squared_link.hpp>
#include <fewstep/preference/utility_link.hpp>

namespace {

using namespace preference_link_archetype;
using fewstep::preference_link;

static_assert(preference_link<archetype<>>);
static_assert(!preference_link<archetype<drop::call>>);
static_assert(!preference_link<archetype<drop::const_call>>);
static_assert(!preference_link<archetype<drop::result>>);
static_assert(!preference_link<archetype<drop::copy>>, "kernels take a link by value");
static_assert(!preference_link<int>);

static_assert(preference_link<fewstep::logistic_link>);
static_assert(preference_link<fewstep::hinge_link>);
static_assert(preference_link<fewstep::squared_link>);
static_assert(preference_link<fewstep::identity_link>);
static_assert(preference_link<fewstep::utility_link>);
static_assert(preference_link<fewstep::odds_ratio_link>);
static_assert(preference_link<fewstep::clipped_link<fewstep::logistic_link>>);
static_assert(fewstep::detail::needs_batch_mean<fewstep::clipped_link<fewstep::utility_link>>());
static_assert(!fewstep::detail::needs_batch_mean<fewstep::logistic_link>());

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/set_reward.hpp"

#include <fewstep/preference/mean_of.hpp>
#include <fewstep/set_reward/frechet_reward.hpp>
#include <fewstep/set_reward/vendi_reward.hpp>

#include <functional>

namespace {

using namespace set_reward_archetype;
using fewstep::feature_encoder;
using fewstep::set_reward;
using fewstep::tracking_set_reward;

static_assert(set_reward<archetype<>> && !tracking_set_reward<archetype<>>);
static_assert(set_reward<std::reference_wrapper<const archetype<>>>);
static_assert(!set_reward<archetype<drop::call>>);
static_assert(!set_reward<archetype<drop::result>>);
static_assert(!set_reward<archetype<drop::constness>>);
static_assert(set_reward<double (*)(features)>);

static_assert(tracking_set_reward<tracking<>>);
static_assert(!tracking_set_reward<tracking<drop::value>>);
static_assert(!tracking_set_reward<tracking<drop::value_with>>);
static_assert(!tracking_set_reward<tracking<drop::exchange>>);
static_assert(tracking_set_reward<fewstep::frechet_reward> && tracking_set_reward<fewstep::vendi_reward>);
static_assert(tracking_set_reward<fewstep::mean_of<double (*)(fewstep::vec<const float>)>>);

static_assert(feature_encoder<encoder<>> && feature_encoder<std::reference_wrapper<encoder<>>>);
static_assert(!feature_encoder<encoder<drop::count>>);
static_assert(!feature_encoder<encoder<drop::encoding>>);

}  // namespace

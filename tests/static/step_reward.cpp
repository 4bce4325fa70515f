// SPDX-License-Identifier: Apache-2.0
#include "archetype/step_reward.hpp"

#include <fewstep/reward/reward.hpp>
#include <fewstep/reward/step_reward.hpp>

#include <cstdint>

namespace {

using namespace step_reward_archetype;
using fewstep::step_reward;

static_assert(step_reward<archetype<>, std::int32_t>);
static_assert(!step_reward<archetype<>, float>);
static_assert(!step_reward<archetype<drop::call>, std::int32_t>);
static_assert(!step_reward<archetype<drop::result>, std::int32_t>);
static_assert(!step_reward<archetype<drop::context>, std::int32_t>);
static_assert(!fewstep::reward<archetype<>, std::int32_t>, "a reward of steps is not one of samples");

constexpr auto of_one = [](int, fewstep::vec<const float>, fewstep::vec<const float>, std::int32_t) { return 0.0f; };
static_assert(step_reward<fewstep::per_step<decltype(of_one)>, std::int32_t>);
constexpr auto of_a_sample = [](fewstep::vec<const float>, std::int32_t) { return 0.0f; };
static_assert(!step_reward<fewstep::per_step<decltype(of_a_sample)>, std::int32_t>);

}  // namespace

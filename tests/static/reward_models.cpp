// SPDX-License-Identifier: Apache-2.0
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/reward_model/labelling_rule.hpp>
#include <fewstep/reward_model/preference_reward.hpp>

#include <functional>
#include <type_traits>

namespace {

using fewstep::cpu_backend;
using fewstep::token_list;
using alignment = fewstep::alignment_reward<cpu_backend>;
using preference = fewstep::preference_reward<cpu_backend>;

static_assert(fewstep::reward<alignment, token_list>);
static_assert(!fewstep::reward<alignment, int>, "similarity to what?");
static_assert(fewstep::reward<preference, token_list>);
static_assert(fewstep::reward<preference, int>, "a model that reads no texts takes any context");
static_assert(fewstep::reward<std::reference_wrapper<preference>, token_list>);
static_assert(fewstep::reward<fewstep::labelling_rule, int>);

static_assert(fewstep::differentiable_reward<alignment, token_list>);
static_assert(fewstep::differentiable_reward<preference, token_list>);
static_assert(fewstep::differentiable_reward<preference, int>);
static_assert(fewstep::differentiable_reward<std::reference_wrapper<alignment>, token_list>);
static_assert(!fewstep::differentiable_reward<fewstep::labelling_rule, int>);

static_assert(std::is_nothrow_move_constructible_v<alignment> && !std::is_copy_constructible_v<alignment>);

}  // namespace

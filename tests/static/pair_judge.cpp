// SPDX-License-Identifier: Apache-2.0
#include "archetype/pair_judge.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/process/external_reward.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/reward_model/labelling_rule.hpp>
#include <fewstep/reward_model/preference_reward.hpp>

#include <cstdint>
#include <functional>

namespace {

using namespace pair_judge_archetype;
using fewstep::cpu_backend;
using fewstep::pair_judge;
using fewstep::reward;
using fewstep::token_list;

static_assert(pair_judge<archetype<int>, int>);
static_assert(!pair_judge<archetype<int>, float>);
static_assert(!pair_judge<archetype<int, drop::call>, int>);
static_assert(!pair_judge<archetype<int, drop::result>, int>);
static_assert(!pair_judge<archetype<int, drop::labels>, int>);

// What can judge through reward_judge: a rule, reward models, another process.
static_assert(reward<fewstep::labelling_rule, token_list>);
static_assert(reward<std::reference_wrapper<fewstep::preference_reward<cpu_backend>>, token_list>);
static_assert(reward<std::reference_wrapper<fewstep::alignment_reward<cpu_backend>>, token_list>);
static_assert(reward<std::reference_wrapper<fewstep::external_reward<fewstep::number_line>>, std::int32_t>);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/reward.hpp"
#include "compile_fail/compose.hpp"

using namespace reward_archetype;
using compose::with_reward;

using complete = with_reward<archetype<>, prompt>;
using without_call = with_reward<archetype<drop::call>, prompt>;      // error: fewstep::reward: void operator\(\)
using without_result = with_reward<archetype<drop::result>, prompt>;  // error: fewstep::reward: void operator\(\)
using without_mutable_samples =
    with_reward<archetype<drop::mutable_samples>, prompt>;  // error: fewstep::reward: void operator\(\)
using without_mutable_contexts =
    with_reward<archetype<drop::mutable_contexts>, prompt>;     // error: fewstep::reward: void operator\(\)
using without_out = with_reward<archetype<drop::out>, prompt>;  // error: fewstep::reward: void operator\(\)

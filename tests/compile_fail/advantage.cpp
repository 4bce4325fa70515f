// SPDX-License-Identifier: Apache-2.0
#include "archetype/advantage.hpp"
#include "compile_fail/compose.hpp"

using namespace advantage_archetype;
using compose::with_advantage;

using complete = with_advantage<archetype<>>;
using without_call = with_advantage<archetype<drop::call>>;      // error: fewstep::advantage: void operator\(\)
using without_result = with_advantage<archetype<drop::result>>;  // error: fewstep::advantage: void operator\(\)
using without_mutable_rewards =
    with_advantage<archetype<drop::mutable_rewards>>;  // error: fewstep::advantage: void operator\(\)
using without_mutable_prompts =
    with_advantage<archetype<drop::mutable_prompts>>;      // error: fewstep::advantage: void operator\(\)
using without_out = with_advantage<archetype<drop::out>>;  // error: fewstep::advantage: void operator\(\)

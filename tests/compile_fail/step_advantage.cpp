// SPDX-License-Identifier: Apache-2.0
#include "archetype/step_advantage.hpp"
#include "compile_fail/compose.hpp"

using namespace step_advantage_archetype;
using compose::with_advantage;

using complete = with_advantage<archetype<>>;
using without_weigh = with_advantage<archetype<drop::weigh>>;    // error: fewstep::step_advantage: void weigh
using without_learn = with_advantage<archetype<drop::learn>>;    // error: fewstep::step_advantage: void learn
using without_result = with_advantage<archetype<drop::result>>;  // error: fewstep::step_advantage: void weigh

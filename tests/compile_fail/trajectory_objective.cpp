// SPDX-License-Identifier: Apache-2.0
#include "archetype/trajectory_objective.hpp"
#include "compile_fail/compose.hpp"

using namespace trajectory_objective_archetype;
using compose::with_objective;

using complete = with_objective<archetype<>>;
using without_result = with_objective<archetype<drop::result>>;  // error: fewstep::trajectory_objective: operator
using without_const_call =
    with_objective<archetype<drop::const_call>>;  // error: fewstep::trajectory_objective: operator

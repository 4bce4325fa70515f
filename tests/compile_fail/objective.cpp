// SPDX-License-Identifier: Apache-2.0
#include "archetype/objective.hpp"
#include "compile_fail/compose.hpp"

using namespace objective_archetype;
using compose::with_objective;

using complete = with_objective<archetype<>>;
using without_call = with_objective<archetype<drop::call>>;  // error: fewstep::objective: surrogate operator
using without_const_call =
    with_objective<archetype<drop::const_call>>;  // error: fewstep::objective: surrogate operator
using without_result =
    with_objective<archetype<drop::result>>;  // error: fewstep::objective: operator\(\)\(transition\) const must return
                                              // surrogate
using without_trivial_copy =
    with_objective<archetype<drop::trivial_copy>>;  // error: fewstep::objective: it must be trivially copyable

// SPDX-License-Identifier: Apache-2.0
#include "archetype/sampler.hpp"
#include "compile_fail/compose.hpp"

using namespace sampler_archetype;
using compose::with_sampler;

using complete = with_sampler<archetype<>>;
using without_table = with_sampler<archetype<drop::table>>;              // error: fewstep::sampler: step_table table
using without_const_table = with_sampler<archetype<drop::const_table>>;  // error: fewstep::sampler: step_table table
using without_result = with_sampler<archetype<drop::result>>;            // error: fewstep::sampler: step_table table
using without_network_calls =
    with_sampler<archetype<drop::network_calls>>;  // error: fewstep::sampler: step_table table

// SPDX-License-Identifier: Apache-2.0
#include "archetype/optimizer.hpp"
#include "compile_fail/compose.hpp"

using namespace optimizer_archetype;
using compose::with_optimizer;

using complete = with_optimizer<archetype<>>;
using without_state =
    with_optimizer<archetype<drop::state>>;  // error: fewstep::optimizer: template <class Backend> struct state
using without_make_state =
    with_optimizer<archetype<drop::make_state>>;  // error: fewstep::optimizer: state<Backend> make_state
using without_state_type =
    with_optimizer<archetype<drop::state_type>>;  // error: fewstep::optimizer: state<Backend> make_state
using without_state_bytes =
    with_optimizer<archetype<drop::state_bytes>>;                // error: fewstep::optimizer: std::size_t state_bytes
using without_update = with_optimizer<archetype<drop::update>>;  // error: fewstep::optimizer: void update
using without_const_update = with_optimizer<archetype<drop::const_update>>;  // error: fewstep::optimizer: void update
using no_element = elementwise_archetype::archetype<elementwise_archetype::drop::element>;
using without_element = with_optimizer<no_element>;  // error: fewstep::elementwise_optimizer: there are moments, but
using without_result = with_optimizer<archetype<drop::result>>;  // error: fewstep::optimizer: void update
using without_scale = with_optimizer<archetype<drop::scale>>;    // error: fewstep::optimizer: void update

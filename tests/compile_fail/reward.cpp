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

using complete_on_device = with_reward<device_archetype<fewstep::cpu_backend>, prompt>;

using complete_async = with_reward<async_archetype<>, prompt>;
using async_without_ticket =
    with_reward<async_archetype<lack::ticket>, prompt>;  // error: fewstep::async_reward: ticket
using async_without_submit_result =
    with_reward<async_archetype<lack::submit_result>, prompt>;  // error: fewstep::async_reward: ticket submit
using async_without_wait_ticket =
    with_reward<async_archetype<lack::wait_ticket>, prompt>;  // error: fewstep::async_reward: void wait
using async_without_wait_all =
    with_reward<async_archetype<lack::wait_all>, prompt>;  // error: fewstep::async_reward: void wait

template <class Reward, class Optimizer>
using parts = fewstep::policy_gradient_parts<Reward, Optimizer>;
using no_reward = compose::with_parts<parts<fewstep::not_given, fewstep::sgd>>;  // error: there is no reward
using no_rule = compose::with_parts<parts<compose::judge, fewstep::not_given>>;  // error: there is no optimizer

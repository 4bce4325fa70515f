// SPDX-License-Identifier: Apache-2.0
#include "archetype/step_reward.hpp"
#include "archetype/decoder.hpp"
#include "compile_fail/compose.hpp"

namespace steps = step_reward_archetype;
namespace decoders = decoder_archetype;
template <class Reward, class Decoder>
using with_both = compose::with_parts<fewstep::policy_gradient_parts<
    Reward, fewstep::sgd, fewstep::reinforce, fewstep::batch_advantage, fewstep::consistency_sampler, Decoder>>;

using complete = with_both<steps::archetype<>, fewstep::identity_decoder>;
using without_call =
    with_both<steps::archetype<steps::drop::call>, fewstep::identity_decoder>;  // error: fewstep::reward: void operator
using with_decoder = with_both<steps::archetype<>, decoders::archetype<>>;      // error: a reward of steps sees states

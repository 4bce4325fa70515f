// SPDX-License-Identifier: Apache-2.0
#include "archetype/decoder.hpp"
#include "archetype/reward.hpp"
#include "compile_fail/compose.hpp"

using namespace reward_archetype;
using decoder_drop = decoder_archetype::drop;

struct differentiable_judge : compose::judge {
  template <class Context>
  void value_and_gradient(fewstep::matrix<const float>, std::span<const Context>, std::span<float>,
                          fewstep::matrix<float>);
};

template <class Reward, class Optimizer = fewstep::sgd, class Decoder = fewstep::identity_decoder>
using with = fewstep::direct_reward_gradient<
    fewstep::cpu_backend, compose::generator<fewstep::cpu_backend, prompt>,
    fewstep::direct_reward_gradient_parts<Reward, Optimizer, fewstep::consistency_sampler, Decoder>>;
template <decoder_drop D>
using with_decoder = fewstep::direct_reward_gradient<
    fewstep::cpu_backend, compose::generator<fewstep::cpu_backend>,
    fewstep::direct_reward_gradient_parts<differentiable_judge, fewstep::sgd, fewstep::consistency_sampler,
                                          decoder_archetype::archetype<D>>>;

using complete = with<differentiable_archetype<>>;
using complete_decoder = with_decoder<decoder_drop::nothing>;
using without_call = with<differentiable_archetype<miss::call>>;  // error: fewstep::reward: void operator\(\)
using without_gradient =
    with<differentiable_archetype<miss::value_and_gradient>>;  // error: fewstep::differentiable_reward: void value_and
using without_result = with<differentiable_archetype<miss::result>>;   // error: fewstep::differentiable_reward: void
using without_out = with<differentiable_archetype<miss::out>>;         // error: fewstep::differentiable_reward: void
using no_reward = with<fewstep::not_given>;                            // error: there is no reward
using no_rule = with<differentiable_archetype<>, fewstep::not_given>;  // error: there is no optimizer
using without_decode = with_decoder<decoder_drop::call>;               // error: fewstep::decoder: void operator
using without_decoder_gradient =
    with_decoder<decoder_drop::backward>;  // error: fewstep::differentiable_decoder: void backward

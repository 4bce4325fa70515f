// SPDX-License-Identifier: Apache-2.0
#include "archetype/auxiliary_loss.hpp"
#include "compile_fail/compose.hpp"

using namespace auxiliary_loss_archetype;

struct differentiable_judge : compose::judge {
  template <class Context>
  void value_and_gradient(fewstep::matrix<const float>, std::span<const Context>, std::span<float>,
                          fewstep::matrix<float>);
};
template <drop D>
using with = fewstep::direct_reward_gradient<
    fewstep::cpu_backend, compose::generator<fewstep::cpu_backend>,
    fewstep::direct_reward_gradient_parts<differentiable_judge, fewstep::sgd, fewstep::consistency_sampler,
                                          fewstep::identity_decoder,
                                          archetype<compose::generator<fewstep::cpu_backend>, D>>>;

using complete = with<drop::nothing>;
using without_prepare = with<drop::prepare>;  // error: fewstep::auxiliary_loss: void prepare
using without_workspace_bytes =
    with<drop::workspace_bytes>;  // error: fewstep::auxiliary_loss: std::size_t workspace_bytes
using without_const_workspace_bytes =
    with<drop::const_workspace_bytes>;                  // error: fewstep::auxiliary_loss: std::size_t workspace_bytes
using without_add_gradient = with<drop::add_gradient>;  // error: fewstep::auxiliary_loss: double add_gradient
using without_result = with<drop::result>;              // error: fewstep::auxiliary_loss: double add_gradient

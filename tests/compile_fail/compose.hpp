// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/fewstep.hpp>

/// Trainers that are right but for one part.
namespace compose {

template <class Backend, class Context = std::int32_t>
struct generator {
  using context_type = Context;
  struct workspace_type {};
  fewstep::index_t sample_size() const;
  fewstep::edm_consistency preconditioner() const;
  workspace_type make_workspace(Backend&, fewstep::index_t);
  std::size_t workspace_bytes(const Backend&, fewstep::index_t) const;
  void predict(Backend&, fewstep::batch<Context>, fewstep::matrix<float>, workspace_type&);
  void forward(Backend&, fewstep::batch<Context>, fewstep::matrix<float>, workspace_type&);
  void backward(Backend&, fewstep::batch<Context>, fewstep::matrix<const float>, workspace_type&);
  fewstep::vec<float> parameters();
  fewstep::vec<float> gradients();
};

struct judge {
  template <class Context>
  void operator()(fewstep::matrix<const float>, std::span<const Context>, std::span<float>);
};

using fewstep::policy_gradient_parts;
using usual = policy_gradient_parts<judge, fewstep::sgd, fewstep::reinforce, fewstep::batch_advantage>;

template <class Backend>
using with_backend = fewstep::policy_gradient<Backend, generator<Backend>, usual>;
template <class Generator>
using with_generator = fewstep::policy_gradient<fewstep::cpu_backend, Generator, usual>;
template <class Parts, class Context = std::int32_t>
using with_parts = fewstep::policy_gradient<fewstep::cpu_backend, generator<fewstep::cpu_backend, Context>, Parts>;

template <class Reward, class Context = std::int32_t>
using with_reward = with_parts<policy_gradient_parts<Reward, fewstep::sgd>, Context>;
template <class Optimizer>
using with_optimizer = with_parts<policy_gradient_parts<judge, Optimizer>>;
template <class Objective>
using with_objective = with_parts<policy_gradient_parts<judge, fewstep::sgd, Objective>>;
template <class Advantage>
using with_advantage = with_parts<policy_gradient_parts<judge, fewstep::sgd, fewstep::reinforce, Advantage>>;
template <class Sampler>
using with_sampler =
    with_parts<policy_gradient_parts<judge, fewstep::sgd, fewstep::reinforce, fewstep::batch_advantage, Sampler>>;
template <class Decoder>
using with_decoder = with_parts<policy_gradient_parts<judge, fewstep::sgd, fewstep::reinforce, fewstep::batch_advantage,
                                                      fewstep::consistency_sampler, Decoder>>;
template <class Regularizer>
using with_regularizer =
    with_parts<policy_gradient_parts<judge, fewstep::sgd, fewstep::reinforce, fewstep::batch_advantage,
                                     fewstep::consistency_sampler, fewstep::identity_decoder, Regularizer>>;

}  // namespace compose

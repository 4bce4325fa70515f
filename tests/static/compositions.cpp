// SPDX-License-Identifier: Apache-2.0
// Every named algorithm takes every part by its name: with the smallest model of each concept in turn, that part is the
// one given and all others are those that were published.
#include "archetype/advantage.hpp"
#include "archetype/auxiliary_loss.hpp"
#include "archetype/decoder.hpp"
#include "archetype/optimizer.hpp"
#include "archetype/regularizer.hpp"
#include "archetype/reward.hpp"
#include "archetype/sampler.hpp"
#include "archetype/step_selection.hpp"
#include "archetype/trajectory_objective.hpp"

#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/grpo.hpp>
#include <fewstep/algorithm/rebel.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/algorithm/rlcm_hybrid.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <utility>

namespace compositions {

using namespace fewstep;

/// A trainer holds its parts by value: what it takes beyond the concept is that they can be moved,
template <class Archetype>
struct movable : Archetype {
  movable(movable&&) noexcept;
};
/// or copied, where two hold them: a selection, and what the last step of rlcm_hybrid asks too.
template <class Archetype>
struct copyable : Archetype {
  copyable(const copyable&);
};
/// And an objective is a value that is set for every minibatch.
struct plain_objective {
  surrogate operator()(transition) const;
};

template <class Context, class Preconditioning>
struct model {
  using context_type = Context;
  struct workspace_type {};
  index_t sample_size() const;
  Preconditioning preconditioner() const;
  workspace_type make_workspace(cpu_backend&, index_t);
  std::size_t workspace_bytes(const cpu_backend&, index_t) const;
  void predict(cpu_backend&, batch<Context>, matrix<float>, workspace_type&);
  void forward(cpu_backend&, batch<Context>, matrix<float>, workspace_type&);
  void backward(cpu_backend&, batch<Context>, matrix<const float>, workspace_type&);
  vec<float> parameters();
  vec<float> gradients();
};

struct judge {
  template <class Context>
  void operator()(matrix<const float>, std::span<const Context>, std::span<float>);
  template <class Context>
  void value_and_gradient(matrix<const float>, std::span<const Context>, std::span<float>, matrix<float>);
};

/// The parts of the trainer that an algorithm makes of these.
template <class Algorithm, class Model, class Given>
using made_of = typename decltype(std::declval<const Algorithm&>()(std::declval<cpu_backend&>(), std::declval<Model&>(),
                                                                   std::declval<Given>()))::parts_type;

template <class Parts>
using objective_of = decltype(Parts::objective);
template <class Parts>
using advantage_of = decltype(Parts::advantage);
template <class Parts>
using selection_of = decltype(Parts::selection);

enum part { reward, optimizer, objective, advantage, sampler, decoder, regularizer, auxiliary, selection };

template <part P, part Q, class Part, class A, class B>
inline constexpr bool is_given_or_same = P == Q ? std::same_as<Part, A> : std::same_as<A, B>;

/// Whether the parts are those of `usual` but for the one that is given.
template <part P, class Part, class A, class B>
consteval bool differ_in_one() {
  bool fits = is_given_or_same<P, reward, Part, decltype(A::reward), decltype(B::reward)> &&
              is_given_or_same<P, optimizer, Part, decltype(A::optimizer), decltype(B::optimizer)> &&
              is_given_or_same<P, sampler, Part, decltype(A::sampler), decltype(B::sampler)> &&
              is_given_or_same<P, decoder, Part, decltype(A::decoder), decltype(B::decoder)>;
  // The loss of the last step is made of the reward and the decoder.
  if (P != reward && P != decoder)
    fits = fits && is_given_or_same<P, auxiliary, Part, decltype(A::auxiliary), decltype(B::auxiliary)>;
  if constexpr (requires { typename objective_of<A>; })
    fits = fits && is_given_or_same<P, objective, Part, objective_of<A>, objective_of<B>> &&
           is_given_or_same<P, advantage, Part, advantage_of<A>, advantage_of<B>> &&
           is_given_or_same<P, regularizer, Part, decltype(A::regularizer), decltype(B::regularizer)> &&
           is_given_or_same<P, selection, Part, selection_of<A>, selection_of<B>>;
  return fits;
}

using none = not_given;
using any_advantage = advantage_archetype::archetype<>;
using any_decoder = movable<decoder_archetype::archetype<>>;
using any_objective = plain_objective;
using any_trajectory_objective = movable<trajectory_objective_archetype::archetype<>>;
using any_optimizer = movable<optimizer_archetype::archetype<>>;
using any_regularizer = movable<regularizer_archetype::archetype<>>;
using any_estimating_regularizer = movable<regularizer_archetype::estimating<regularizer_archetype::estimate>>;
using any_reward = movable<reward_archetype::archetype<>>;
using any_differentiable_reward = std::reference_wrapper<reward_archetype::differentiable_archetype<>>;
using any_sampler = movable<sampler_archetype::archetype<>>;
template <class Model>
using any_kl = kl_to_reference<Model, kl_estimate::importance_weighted<kl_estimate::k3>>;
using any_selection = copyable<step_selection_archetype::archetype<>>;
template <class Model>
using any_auxiliary = movable<auxiliary_loss_archetype::archetype<Model>>;

/// P as Part, in parts that are complete otherwise.
template <class A, class Model, part P, class Part, class Given, class Usual>
inline constexpr bool takes = differ_in_one<P, Part, made_of<A, Model, Given>, made_of<A, Model, Usual>>();

template <class A, class P, class Reward = any_reward, class Decoder = any_decoder>
consteval bool takes_every_part() {
  using usual = policy_gradient_parts<judge, sgd>;
  using plain = model<int, P>;
  using prompted = model<reward_archetype::prompt, P>;
  using consistent = model<int, edm_consistency>;  // what the archetype of samplers knows
  static_assert(takes<A, prompted, reward, Reward, policy_gradient_parts<Reward, sgd>, usual>);
  static_assert(takes<A, plain, optimizer, any_optimizer, policy_gradient_parts<judge, any_optimizer>, usual>);
  static_assert(takes<A, plain, objective, any_objective, policy_gradient_parts<judge, sgd, any_objective>, usual>);
  static_assert(takes<A, plain, objective, any_trajectory_objective,
                      policy_gradient_parts<judge, sgd, any_trajectory_objective>, usual>);
  static_assert(
      takes<A, plain, advantage, any_advantage, policy_gradient_parts<judge, sgd, none, any_advantage>, usual>);
  static_assert(
      takes<A, consistent, sampler, any_sampler,
            policy_gradient_parts<judge, sgd, any_objective, none, any_sampler, none, none, none, all_steps>,
            policy_gradient_parts<judge, sgd, any_objective, none, consistency_sampler, none, none, none, all_steps>>);
  static_assert(takes<A, plain, decoder, Decoder, policy_gradient_parts<judge, sgd, none, none, none, Decoder>, usual>);
  static_assert(takes<A, plain, regularizer, any_regularizer,
                      policy_gradient_parts<judge, sgd, none, none, none, none, any_regularizer>, usual>);
  static_assert(takes<A, plain, regularizer, any_estimating_regularizer,
                      policy_gradient_parts<judge, sgd, none, none, none, none, any_estimating_regularizer>, usual>);
  static_assert(takes<A, plain, regularizer, any_kl<plain>,
                      policy_gradient_parts<judge, sgd, none, none, none, none, any_kl<plain>>, usual>);
  static_assert(takes<A, plain, auxiliary, any_auxiliary<plain>,
                      policy_gradient_parts<judge, sgd, none, none, none, none, none, any_auxiliary<plain>>, usual>);
  static_assert(takes<A, plain, selection, any_selection,
                      policy_gradient_parts<judge, sgd, none, none, none, none, none, none, any_selection>, usual>);
  return true;
}

template <class A>
consteval bool takes_every_direct_part() {
  using usual = direct_reward_gradient_parts<judge, sgd>;
  using plain = model<int, edm_consistency>;
  using prompted = model<reward_archetype::prompt, edm_consistency>;
  using any = any_differentiable_reward;
  static_assert(takes<A, prompted, reward, any, direct_reward_gradient_parts<any, sgd>, usual>);
  static_assert(takes<A, plain, optimizer, any_optimizer, direct_reward_gradient_parts<judge, any_optimizer>, usual>);
  static_assert(takes<A, plain, sampler, any_sampler, direct_reward_gradient_parts<judge, sgd, any_sampler>, usual>);
  static_assert(
      takes<A, plain, decoder, any_decoder, direct_reward_gradient_parts<judge, sgd, none, any_decoder>, usual>);
  static_assert(takes<A, plain, auxiliary, any_auxiliary<plain>,
                      direct_reward_gradient_parts<judge, sgd, none, none, any_auxiliary<plain>>, usual>);
  return true;
}

static_assert(takes_every_part<decltype(rlcm), edm_consistency>());
static_assert(takes_every_part<decltype(rlcm), lcm>());
static_assert(takes_every_part<decltype(rlcm_hybrid), edm_consistency, any_differentiable_reward,
                               copyable<decoder_archetype::archetype<>>>());
static_assert(takes_every_part<decltype(rebel), edm_consistency>());
static_assert(takes_every_part<decltype(ddpo), epsilon_prediction>());
static_assert(takes_every_part<decltype(ddpo_sf), epsilon_prediction>());
static_assert(takes_every_part<decltype(grpo), edm_consistency>());
static_assert(takes_every_part<decltype(cps_grpo), edm_consistency>());
static_assert(takes_every_part<decltype(flow_grpo), flow_matching>());
static_assert(takes_every_part<decltype(dance_grpo), flow_matching>());
static_assert(takes_every_part<decltype(mix_grpo), flow_matching>());
static_assert(takes_every_part<decltype(flow_grpo_fast), flow_matching>());
static_assert(takes_every_part<decltype(flow_dppo), flow_matching>());
static_assert(takes_every_part<decltype(grpo_guard), flow_matching>());
static_assert(takes_every_direct_part<decltype(draft)>());
static_assert(takes_every_direct_part<decltype(refl)>());

}  // namespace compositions

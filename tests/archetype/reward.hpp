// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/generator.hpp>
#include <fewstep/reward/reward.hpp>

#include <span>
#include <type_traits>

/// The smallest model of fewstep::reward, and models that lack one requirement each.
namespace reward_archetype {

struct prompt {
  int id;
};
using samples_type = fewstep::matrix<const float>;
using contexts_type = std::span<const prompt>;
using out_type = std::span<float>;

enum class drop { nothing, call, result, mutable_samples, mutable_contexts, out };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  void operator()(samples_type, contexts_type, out_type) requires(D == drop::nothing);
  float operator()(samples_type, contexts_type, out_type) requires(D == drop::result);
  void operator()(fewstep::matrix<float>, contexts_type, out_type) requires(D == drop::mutable_samples);
  void operator()(samples_type, std::span<prompt>, out_type) requires(D == drop::mutable_contexts);
  void operator()(samples_type, contexts_type) requires(D == drop::out);
};

/// The smallest model of fewstep::device_reward.
template <class Backend, drop D = drop::nothing>
struct device_archetype {
  device_archetype() = delete;
  device_archetype(const device_archetype&) = delete;
  device_archetype& operator=(const device_archetype&) = delete;

  using device_contexts = fewstep::context_rows<prompt>;
  std::conditional_t<D == drop::result, float, void> operator()(Backend&, samples_type, device_contexts,
                                                                fewstep::vec<float>) requires(D == drop::nothing ||
                                                                                              D == drop::result);
  void operator()(Backend&, fewstep::matrix<float>, device_contexts,
                  fewstep::vec<float>) requires(D == drop::mutable_samples);
  void operator()(Backend&, samples_type, std::span<prompt>, fewstep::vec<float>) requires(D == drop::mutable_contexts);
  void operator()(Backend&, samples_type, device_contexts) requires(D == drop::out);
};

enum class lack { nothing, call, ticket, submit, submit_result, wait_ticket, wait_all };

template <lack L>
struct ticket_of {
  struct ticket {};
};
template <>
struct ticket_of<lack::ticket> {};

/// The smallest model of fewstep::async_reward.
template <lack L = lack::nothing>
struct async_archetype : ticket_of<L> {
  void operator()(samples_type, contexts_type, out_type) requires(L != lack::call);
  using ticket_type = typename ticket_of<L == lack::ticket ? lack::nothing : L>::ticket;
  std::conditional_t<L == lack::submit_result, void, ticket_type> submit(samples_type, contexts_type,
                                                                         out_type) requires(L != lack::submit);
  void wait(ticket_type) requires(L != lack::wait_ticket);
  void wait() requires(L != lack::wait_all);
};

enum class miss { nothing, call, value_and_gradient, result, out };

/// The smallest model of fewstep::differentiable_reward.
template <miss M = miss::nothing>
struct differentiable_archetype {
  differentiable_archetype() = delete;
  differentiable_archetype(const differentiable_archetype&) = delete;
  differentiable_archetype& operator=(const differentiable_archetype&) = delete;

  using gradient_type = fewstep::matrix<float>;
  void operator()(samples_type, contexts_type, out_type) requires(M != miss::call);
  std::conditional_t<M == miss::result, float, void> value_and_gradient(samples_type, contexts_type, out_type,
                                                                        gradient_type)  //
      requires(M != miss::value_and_gradient && M != miss::out);
  void value_and_gradient(samples_type, contexts_type, gradient_type) requires(M == miss::out);
};

}  // namespace reward_archetype

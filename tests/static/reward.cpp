// SPDX-License-Identifier: Apache-2.0
#include "archetype/reward.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/device_reward.hpp>
#include <fewstep/reward/differentiable_per_sample.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/reward/reward.hpp>
#include <fewstep/reward/weighted_sum.hpp>

#include <functional>

namespace {

using namespace reward_archetype;

static_assert(fewstep::reward<archetype<>, prompt>);
static_assert(!fewstep::reward<archetype<>, int>, "a reward is one for a type of context");
static_assert(!fewstep::reward<archetype<drop::call>, prompt>);
static_assert(!fewstep::reward<archetype<drop::result>, prompt>);
static_assert(!fewstep::reward<archetype<drop::mutable_samples>, prompt>);
static_assert(!fewstep::reward<archetype<drop::mutable_contexts>, prompt>);
static_assert(!fewstep::reward<archetype<drop::out>, prompt>);
static_assert(fewstep::reward<std::reference_wrapper<archetype<>>, prompt>, "a reward can be shared by std::ref");

using fewstep::cpu_backend;
template <drop D>
using on_cpu = device_archetype<cpu_backend, D>;
static_assert(fewstep::device_reward<on_cpu<drop::nothing>, cpu_backend, prompt>);
static_assert(!fewstep::device_reward<on_cpu<drop::nothing>, cpu_backend, int>);
static_assert(!fewstep::device_reward<on_cpu<drop::call>, cpu_backend, prompt>);
static_assert(!fewstep::device_reward<on_cpu<drop::result>, cpu_backend, prompt>);
static_assert(!fewstep::device_reward<on_cpu<drop::mutable_samples>, cpu_backend, prompt>);
static_assert(!fewstep::device_reward<on_cpu<drop::mutable_contexts>, cpu_backend, prompt>);
static_assert(!fewstep::device_reward<on_cpu<drop::out>, cpu_backend, prompt>);
static_assert(fewstep::device_reward<std::reference_wrapper<on_cpu<drop::nothing>>, cpu_backend, prompt>);
static_assert(!fewstep::device_reward<archetype<>, cpu_backend, prompt> &&
                  !fewstep::reward<on_cpu<drop::nothing>, prompt>,
              "a plain reward and one on a device differ in their arguments");

static_assert(fewstep::async_reward<async_archetype<>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::call>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::ticket>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::submit>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::submit_result>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::wait_ticket>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::wait_all>, prompt>);

static_assert(fewstep::differentiable_reward<differentiable_archetype<>, prompt>);
static_assert(!fewstep::differentiable_reward<differentiable_archetype<>, int>);
static_assert(!fewstep::differentiable_reward<differentiable_archetype<miss::call>, prompt>);
static_assert(!fewstep::differentiable_reward<differentiable_archetype<miss::value_and_gradient>, prompt>);
static_assert(!fewstep::differentiable_reward<differentiable_archetype<miss::result>, prompt>);
static_assert(!fewstep::differentiable_reward<differentiable_archetype<miss::out>, prompt>);
static_assert(fewstep::differentiable_reward<std::reference_wrapper<differentiable_archetype<>>, prompt>);
static_assert(!fewstep::differentiable_reward<
              std::reference_wrapper<differentiable_archetype<miss::value_and_gradient>>, prompt>);
static_assert(fewstep::reward<differentiable_archetype<miss::value_and_gradient>, prompt>);

struct brightness {
  void operator()(samples_type, contexts_type, out_type) const;
};
static_assert(fewstep::reward<brightness, prompt>);
static_assert(fewstep::reward<const brightness, prompt>);
static_assert(!fewstep::async_reward<brightness, prompt>);
static_assert(fewstep::async_reward<fewstep::async<brightness>, prompt>);
static_assert(!fewstep::async_reward<fewstep::async<brightness>, int>);
static_assert(fewstep::reward<fewstep::weighted_sum<brightness, fewstep::async<brightness>>, prompt>);
static_assert(!fewstep::reward<fewstep::weighted_sum<brightness>, int>);

static_assert(!fewstep::differentiable_reward<brightness, prompt>);
static_assert(!fewstep::differentiable_reward<fewstep::weighted_sum<brightness>, prompt>);
using differentiable = std::reference_wrapper<differentiable_archetype<>>;
static_assert(fewstep::differentiable_reward<fewstep::weighted_sum<differentiable, differentiable>, prompt>);
static_assert(!fewstep::differentiable_reward<fewstep::weighted_sum<differentiable, brightness>, prompt>,
              "a sum has a gradient where all parts have");

using generic = decltype([](auto sample, const auto& context) { return context.no_such_member + sample; });
static_assert(fewstep::reward<fewstep::per_sample<generic>, prompt>, "a generic lambda is not called on trial");
using generic_gradient = decltype([](auto sample, const auto& context, auto) { return context.no_such + sample; });
static_assert(fewstep::differentiable_reward<fewstep::differentiable_per_sample<generic_gradient>, prompt>);

}  // namespace

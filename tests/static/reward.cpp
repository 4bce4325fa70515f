// SPDX-License-Identifier: Apache-2.0
#include "archetype/reward.hpp"

#include <fewstep/reward/async.hpp>
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

static_assert(fewstep::async_reward<async_archetype<>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::call>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::ticket>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::submit>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::submit_result>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::wait_ticket>, prompt>);
static_assert(!fewstep::async_reward<async_archetype<lack::wait_all>, prompt>);

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

using generic = decltype([](auto sample, const auto& context) { return context.no_such_member + sample; });
static_assert(fewstep::reward<fewstep::per_sample<generic>, prompt>, "a generic lambda is not called on trial");

}  // namespace

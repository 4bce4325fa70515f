// SPDX-License-Identifier: Apache-2.0
#include "archetype/advantage.hpp"

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>

namespace {

using namespace advantage_archetype;

static_assert(fewstep::advantage<archetype<>>);
static_assert(!fewstep::advantage<archetype<drop::call>>);
static_assert(!fewstep::advantage<archetype<drop::result>>);
static_assert(!fewstep::advantage<archetype<drop::mutable_rewards>>);
static_assert(!fewstep::advantage<archetype<drop::mutable_prompts>>);
static_assert(!fewstep::advantage<archetype<drop::out>>);
static_assert(!fewstep::advantage<archetype<drop::copy>>, "it may have a memory");

static_assert(fewstep::advantage<fewstep::prompt_buffer_advantage>);
static_assert(fewstep::advantage<fewstep::group_advantage>);
static_assert(fewstep::advantage<fewstep::batch_advantage>);
static_assert(!fewstep::advantage<const fewstep::prompt_buffer_advantage>, "it has a memory");
static_assert(!fewstep::advantage<int>);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/step_advantage.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/step_advantage.hpp>

#include <cstdint>

namespace {

using namespace step_advantage_archetype;
using fewstep::step_advantage;

static_assert(step_advantage<archetype<>, cpu_backend, std::int32_t>);
static_assert(!step_advantage<archetype<>, cpu_backend, float>);
static_assert(!step_advantage<archetype<drop::weigh>, cpu_backend, std::int32_t>);
static_assert(!step_advantage<archetype<drop::learn>, cpu_backend, std::int32_t>);
static_assert(!step_advantage<archetype<drop::result>, cpu_backend, std::int32_t>);
static_assert(!step_advantage<fewstep::batch_advantage, cpu_backend, std::int32_t>);

}  // namespace

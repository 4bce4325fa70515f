// SPDX-License-Identifier: Apache-2.0
#include "archetype/example_source.hpp"

namespace {

using namespace example_source_archetype;

static_assert(fewstep::example_source<archetype<>, std::int32_t>);
static_assert(!fewstep::example_source<archetype<>, float>, "a source is one for a type of context");
static_assert(!fewstep::example_source<archetype<drop::call>, std::int32_t>);
static_assert(!fewstep::example_source<archetype<drop::result>, std::int32_t>);
static_assert(!fewstep::example_source<archetype<drop::step>, std::int32_t>);
static_assert(!fewstep::example_source<int, std::int32_t>);

}  // namespace

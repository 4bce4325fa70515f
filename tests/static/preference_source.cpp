// SPDX-License-Identifier: Apache-2.0
#include "archetype/preference_source.hpp"

namespace {

using namespace preference_source_archetype;

static_assert(fewstep::preference_source<archetype<int>, int>);
static_assert(!fewstep::preference_source<archetype<int>, float>, "a source is one for a type of context");
static_assert(!fewstep::preference_source<archetype<int, drop::call>, int>);
static_assert(!fewstep::preference_source<archetype<int, drop::result>, int>);
static_assert(!fewstep::preference_source<archetype<int, drop::step>, int>);
static_assert(!fewstep::preference_source<int, int>);

}  // namespace

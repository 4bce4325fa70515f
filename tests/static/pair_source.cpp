// SPDX-License-Identifier: Apache-2.0
#include "archetype/pair_source.hpp"
#include "archetype/preference_source.hpp"

namespace {

using namespace pair_source_archetype;
using fewstep::judged_source;
using fewstep::pair_source;

static_assert(pair_source<pairs<int>, int>);
static_assert(pair_source<preference_source_archetype::archetype<int>, int>, "winners stand first");
static_assert(!pair_source<pairs<int>, float>);
static_assert(!pair_source<pairs<int, drop::call>, int>);
static_assert(!pair_source<pairs<int, drop::result>, int>);
static_assert(!pair_source<pairs<int, drop::labels>, int>);

static_assert(judged_source<judged<int>, int>);
static_assert(!judged_source<judged<int>, float>);
static_assert(!judged_source<judged<int, drop::call>, int>);
static_assert(!judged_source<judged<int, drop::result>, int>);
static_assert(!judged_source<judged<int, drop::labels>, int>);
static_assert(!judged_source<pairs<int>, int> && !pair_source<judged<int>, int>);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/comparison_source.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>

namespace {

using namespace comparison_source_archetype;
template <class S>
constexpr bool is_one =
    fewstep::comparison_source<S, fewstep::cpu_backend, fewstep::mlp_generator<fewstep::cpu_backend>>;

static_assert(is_one<archetype<>>);
static_assert(!is_one<archetype<drop::members>>);
static_assert(!is_one<archetype<drop::comparisons>>);
static_assert(!is_one<archetype<drop::segments>>);
static_assert(!is_one<archetype<drop::bytes>>);
static_assert(!is_one<archetype<drop::row_bytes>>);
static_assert(!is_one<archetype<drop::prepare>>);
static_assert(!is_one<archetype<drop::rows>>);
static_assert(!is_one<archetype<drop::rows_result>>);
static_assert(!is_one<int>);

}  // namespace

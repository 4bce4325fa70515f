// SPDX-License-Identifier: Apache-2.0
#include "archetype/row_network.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace {

using namespace row_network_archetype;
using fewstep::row_network;

static_assert(row_network<archetype<>>);
static_assert(!row_network<without_context_type>);
static_assert(!row_network<archetype<drop::sample_size>>);
static_assert(!row_network<archetype<drop::forward>>);
static_assert(!row_network<archetype<drop::const_forward>>, "threads share one network");
static_assert(!row_network<archetype<drop::backward>>);
static_assert(row_network<with_tape<>>);
static_assert(!row_network<with_tape<drop::forward>>);
static_assert(!row_network<with_tape<drop::backward>>);
static_assert(!row_network<with_tape<drop::default_tape>>);
static_assert(!row_network<with_tape<drop::copy_of_tape>>);
static_assert(!row_network<int>);

static_assert(fewstep::generator<fewstep::row_generator<archetype<>>, fewstep::cpu_backend>);
static_assert(fewstep::generator<fewstep::row_generator<with_tape<>>, fewstep::cpu_backend>);

}  // namespace

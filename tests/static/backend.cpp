// SPDX-License-Identifier: Apache-2.0
#include "archetype/backend.hpp"

#include <fewstep/backend/cpu/backend.hpp>

namespace {

using namespace backend_archetype;

static_assert(fewstep::backend<archetype<>>);
static_assert(!fewstep::backend<archetype<drop::executor_type>>);
static_assert(!fewstep::backend<archetype<drop::threads>>);
static_assert(!fewstep::backend<archetype<drop::executor>>);
static_assert(!fewstep::backend<archetype<drop::allocate>>);
static_assert(!fewstep::backend<archetype<drop::buffer>>);
static_assert(!fewstep::backend<archetype<drop::parallel_for>>);
static_assert(!fewstep::backend<archetype<drop::for_each>>);
static_assert(!fewstep::backend<archetype<drop::sum>>);
static_assert(!fewstep::backend<archetype<drop::sum_type>>, "sums are taken in double");
static_assert(!fewstep::backend<archetype<drop::copy_to_host>>);
static_assert(!fewstep::backend<archetype<drop::copy_to_device>>);
static_assert(!fewstep::backend<archetype<drop::copy>>);
static_assert(!fewstep::backend<archetype<drop::synchronize>>);

static_assert(fewstep::backend<fewstep::cpu_backend>);
static_assert(!fewstep::backend<int>);

}  // namespace

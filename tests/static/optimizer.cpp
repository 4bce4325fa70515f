// SPDX-License-Identifier: Apache-2.0
#include "archetype/optimizer.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <cstdint>

namespace {

using namespace optimizer_archetype;

static_assert(fewstep::optimizer<archetype<>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::state>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::make_state>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::state_type>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::state_bytes>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::update>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::const_update>, cpu_backend>, "settings do not change");
static_assert(!fewstep::optimizer<archetype<drop::result>, cpu_backend>);
static_assert(!fewstep::optimizer<archetype<drop::scale>, cpu_backend>);

static_assert(fewstep::optimizer<fewstep::sgd, cpu_backend>);
static_assert(fewstep::optimizer<fewstep::adam, cpu_backend>);
static_assert(fewstep::optimizer<fewstep::adamw, cpu_backend>);
static_assert(!fewstep::optimizer<int, cpu_backend>);

namespace elementwise = elementwise_archetype;
static_assert(fewstep::elementwise_optimizer<elementwise::archetype<>>);
static_assert(fewstep::optimizer<elementwise::archetype<>, cpu_backend>);
static_assert(!fewstep::elementwise_optimizer<elementwise::archetype<elementwise::drop::moments>>);
static_assert(!fewstep::elementwise_optimizer<elementwise::archetype<elementwise::drop::learning_rate>>);
static_assert(!fewstep::elementwise_optimizer<elementwise::archetype<elementwise::drop::element>>);
static_assert(!fewstep::elementwise_optimizer<elementwise::archetype<elementwise::drop::const_element>>);
static_assert(!fewstep::elementwise_optimizer<elementwise::archetype<elementwise::drop::moment>>);

struct schedule_archetype {
  schedule_archetype() = delete;
  float operator()(std::int64_t) const;
};
struct without_const {
  float operator()(std::int64_t);
};
struct of_text {
  float operator()(const char*) const;
};
static_assert(fewstep::schedule<schedule_archetype>);
static_assert(!fewstep::schedule<without_const>);
static_assert(!fewstep::schedule<of_text>);
static_assert(fewstep::schedule<fewstep::linear_schedule> && fewstep::schedule<fewstep::cosine_schedule>);
using scheduled_adam = fewstep::scheduled<fewstep::adam, fewstep::cosine_schedule>;
static_assert(fewstep::elementwise_optimizer<scheduled_adam> && fewstep::optimizer<scheduled_adam, cpu_backend>);

static_assert(fewstep::elementwise_optimizer<fewstep::sgd>);
static_assert(fewstep::elementwise_optimizer<fewstep::adam>);
static_assert(fewstep::elementwise_optimizer<fewstep::adamw>);

}  // namespace

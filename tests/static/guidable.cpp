// SPDX-License-Identifier: Apache-2.0
#include "archetype/guidable.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/text_unet.hpp>

#include <type_traits>

namespace {

using namespace guidable_archetype;
using fewstep::cpu_backend;

static_assert(fewstep::guidable<archetype<>>);
static_assert(!fewstep::guidable<archetype<drop::unconditional>>);
static_assert(!fewstep::guidable<archetype<drop::const_unconditional>>);
static_assert(!fewstep::guidable<int>);

static_assert(fewstep::guidable<fewstep::mlp_generator<cpu_backend>>);
static_assert(fewstep::guidable<fewstep::text_unet<cpu_backend>>);

static_assert(fewstep::generator<fewstep::guided<cpu_backend, archetype<>>, cpu_backend>);
static_assert(fewstep::generator<fewstep::guided<cpu_backend, fewstep::text_unet<cpu_backend>>, cpu_backend>);
static_assert(
    fewstep::differentiable_generator<fewstep::guided<cpu_backend, fewstep::mlp_generator<cpu_backend>>, cpu_backend>);

/// One that gives no gradient by its state.
struct without_state_gradient : generator_archetype::archetype<generator_archetype::drop::state_gradient> {
  context_type unconditional() const;
};
static_assert(fewstep::generator<fewstep::guided<cpu_backend, without_state_gradient>, cpu_backend>);
static_assert(!fewstep::differentiable_generator<fewstep::guided<cpu_backend, without_state_gradient>, cpu_backend>);

/// Enough to be sampled from, or to be a reference.
struct untrained : generator_archetype::archetype<generator_archetype::drop::backward> {
  context_type unconditional() const;
};
static_assert(fewstep::predictor<fewstep::guided<cpu_backend, untrained>, cpu_backend>);
static_assert(!fewstep::generator<fewstep::guided<cpu_backend, untrained>, cpu_backend>);

static_assert(!std::is_constructible_v<fewstep::guided<cpu_backend, archetype<>>, cpu_backend&, archetype<>&&>,
              "a generator that is held by reference must have a name");

}  // namespace

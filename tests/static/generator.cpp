// SPDX-License-Identifier: Apache-2.0
#include "archetype/generator.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/text_unet.hpp>

#include <type_traits>

namespace {

using namespace generator_archetype;

static_assert(fewstep::generator<archetype<>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::context_type>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::workspace_type>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::sample_size>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::preconditioner>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::make_workspace>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::workspace_bytes>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::predict>, cpu_backend>);
static_assert(!fewstep::predictor<archetype<drop::context_copy>, cpu_backend>, "contexts lie in arrays of a backend");
static_assert(!fewstep::generator<archetype<drop::forward>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::backward>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::parameters>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::gradients>, cpu_backend>);
static_assert(!fewstep::generator<archetype<drop::const_gradients>, cpu_backend>);
static_assert(fewstep::predictor<archetype<drop::backward>, cpu_backend>, "a predictor need not be trained");
static_assert(!fewstep::predictor<int, cpu_backend>);

static_assert(fewstep::generator<without_workspace<>, cpu_backend>);
static_assert(!fewstep::predictor<without_workspace<drop::predict>, cpu_backend>);
static_assert(!fewstep::generator<without_workspace<drop::backward>, cpu_backend>);
static_assert(fewstep::predictor<without_workspace<drop::backward>, cpu_backend>);
static_assert(fewstep::differentiable_generator<without_workspace<>, cpu_backend>);
static_assert(!fewstep::differentiable_generator<without_workspace<drop::state_gradient>, cpu_backend>);
static_assert(fewstep::generator<without_workspace<drop::state_gradient>, cpu_backend>);
static_assert(std::is_empty_v<fewstep::workspace_of<without_workspace<>>>);
static_assert(std::is_same_v<fewstep::workspace_of<archetype<>>, workspace>);

static_assert(fewstep::differentiable_generator<archetype<>, cpu_backend>);
static_assert(!fewstep::differentiable_generator<archetype<drop::backward>, cpu_backend>);
static_assert(!fewstep::differentiable_generator<archetype<drop::state_gradient>, cpu_backend>);
static_assert(fewstep::generator<archetype<drop::state_gradient>, cpu_backend>, "one call back needs no more");

static_assert(fewstep::differentiable_generator<fewstep::mlp_generator<cpu_backend>, cpu_backend>);
static_assert(fewstep::differentiable_generator<fewstep::text_unet<cpu_backend>, cpu_backend>);
static_assert(fewstep::generator<fewstep::mlp_generator<cpu_backend>, cpu_backend>);
static_assert(fewstep::generator<fewstep::text_unet<cpu_backend>, cpu_backend>);
static_assert(fewstep::generator<fewstep::text_unet<cpu_backend, fewstep::edm_denoiser>, cpu_backend>);

}  // namespace

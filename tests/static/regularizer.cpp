// SPDX-License-Identifier: Apache-2.0
#include "archetype/regularizer.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/regularizer/regularizer.hpp>

namespace {

using namespace regularizer_archetype;

static_assert(fewstep::regularizer<archetype<>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<>, cpu_backend, float>, "a regularizer is one for a type of context");
static_assert(!fewstep::regularizer<archetype<drop::flag>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::coefficient>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::coefficient_type>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::workspace_bytes>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::prepare>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::reference_output>, cpu_backend, int>);

using model = fewstep::mlp_generator<cpu_backend>;
static_assert(fewstep::regularizer<fewstep::no_regularizer, cpu_backend, int>);
static_assert(fewstep::regularizer<fewstep::kl_to_reference<model>, cpu_backend, std::int32_t>);
static_assert(!std::is_constructible_v<fewstep::kl_to_reference<model>, model>, "a temporary would not outlive it");

}  // namespace

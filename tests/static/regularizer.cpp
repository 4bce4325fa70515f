// SPDX-License-Identifier: Apache-2.0
#include "archetype/regularizer.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/regularizer/regularizer.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

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

static_assert(fewstep::regularizer<estimating<estimate>, cpu_backend, int>);
static_assert(fewstep::regularizer<estimating<closed_form>, cpu_backend, int>);
static_assert(!fewstep::regularizer<estimating<estimate_of_floats>, cpu_backend, int>);
static_assert(!fewstep::regularizer<estimating<estimate_with_memory>, cpu_backend, int>);
static_assert(!fewstep::regularizer<estimating<estimate_of_a_number>, cpu_backend, int>);

// What an estimate needs of the score pass.
template <class Estimate>
inline constexpr bool of_action = fewstep::detail::needs_taken_action<Estimate>;
static_assert(of_action<estimate> && !of_action<closed_form>);
namespace kl_estimate = fewstep::kl_estimate;
static_assert(!of_action<kl_estimate::exact> && of_action<kl_estimate::k1> && of_action<kl_estimate::k2> &&
              of_action<kl_estimate::k3> && of_action<kl_estimate::importance_weighted<kl_estimate::k3>>);
static_assert(std::same_as<decltype(kl_estimate::importance_weighted{kl_estimate::k3{}}),
                           kl_estimate::importance_weighted<kl_estimate::k3>>);
static_assert(!fewstep::estimates_kl_from<kl_estimate::exact, fewstep::taken_action>,
              "a policy that is not Gaussian has no KL in closed form here");

// What a report calls it.
static_assert(fewstep::detail::kl_estimate_name(fewstep::no_regularizer{}).empty());

using model = fewstep::mlp_generator<cpu_backend>;
static_assert(fewstep::regularizer<fewstep::no_regularizer, cpu_backend, int>);
static_assert(fewstep::regularizer<fewstep::kl_to_reference<model>, cpu_backend, std::int32_t>);
static_assert(fewstep::regularizer<fewstep::kl_to_reference<model, kl_estimate::k3>, cpu_backend, std::int32_t>);
static_assert(std::same_as<decltype(fewstep::kl_to_reference(std::declval<model&>(), {.coefficient = 1})),
                           fewstep::kl_to_reference<model, kl_estimate::exact>>);
static_assert(std::same_as<decltype(fewstep::kl_to_reference(std::declval<model&>(), {}, kl_estimate::k3{})),
                           fewstep::kl_to_reference<model, kl_estimate::k3>>);
static_assert(!std::is_constructible_v<fewstep::kl_to_reference<model>, model>, "a temporary would not outlive it");

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/regularizer.hpp"
#include "compile_fail/compose.hpp"

using namespace regularizer_archetype;
using compose::with_regularizer;

using complete = with_regularizer<archetype<>>;
using without_flag =
    with_regularizer<archetype<drop::flag>>;  // error: fewstep::regularizer: static constexpr bool has_reference
using without_coefficient =
    with_regularizer<archetype<drop::coefficient>>;  // error: fewstep::regularizer: float coefficient
using without_coefficient_type =
    with_regularizer<archetype<drop::coefficient_type>>;  // error: fewstep::regularizer: float coefficient
using without_workspace_bytes =
    with_regularizer<archetype<drop::workspace_bytes>>;  // error: fewstep::regularizer: std::size_t workspace_bytes
using without_prepare = with_regularizer<archetype<drop::prepare>>;  // error: fewstep::regularizer: .*prepare
using without_reference_output =
    with_regularizer<archetype<drop::reference_output>>;  // error: fewstep::regularizer: void reference_output

using with_estimate = with_regularizer<estimating<estimate>>;
using with_estimate_of_floats =
    with_regularizer<estimating<estimate_of_floats>>;  // error: fewstep::kl_estimate: kl_term operator
using with_estimate_with_memory =
    with_regularizer<estimating<estimate_with_memory>>;  // error: fewstep::kl_estimate: it must be trivially copyable
using with_estimate_of_a_number =
    with_regularizer<estimating<estimate_of_a_number>>;  // error: fewstep::kl_estimate: .* default constructible

// A policy of discrete actions has log-probabilities and no means.
template <class Estimate, bool Fits>
struct discrete_policy_gradient;
template <class Estimate>
using of_discrete_actions = discrete_policy_gradient<Estimate, fewstep::detail::require_kl_estimate<Estimate, false>()>;
using with_k3 = of_discrete_actions<fewstep::kl_estimate::k3>;
using with_exact = of_discrete_actions<fewstep::kl_estimate::exact>;  // error: .* take kl_estimate::k2

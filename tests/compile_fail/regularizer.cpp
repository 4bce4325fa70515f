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

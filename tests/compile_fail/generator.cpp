// SPDX-License-Identifier: Apache-2.0
#include "archetype/generator.hpp"
#include "compile_fail/compose.hpp"

using namespace generator_archetype;
using compose::with_generator;

using complete = with_generator<archetype<>>;
using without_context_type =
    with_generator<archetype<drop::context_type>>;  // error: fewstep::predictor: context_type is missing
using without_context_copy = with_generator<archetype<drop::context_copy>>;  // error: fewstep::predictor: context_type
                                                                             // is missing or not trivially copyable
using without_workspace_type =
    with_generator<archetype<drop::workspace_type>>;  // error: fewstep::predictor: workspace_type is missing
using without_sample_size = with_generator<archetype<drop::sample_size>>;  // error: fewstep::predictor: index_t
                                                                           // sample_size\(\) const is missing
using without_preconditioner =
    with_generator<archetype<drop::preconditioner>>;  // error: fewstep::predictor: preconditioner\(\) const is missing
using without_make_workspace =
    with_generator<archetype<drop::make_workspace>>;  // error: fewstep::predictor: workspace_type make_workspace
using without_workspace_bytes =
    with_generator<archetype<drop::workspace_bytes>>;  // error: fewstep::predictor: std::size_t workspace_bytes
using without_predict = with_generator<archetype<drop::predict>>;    // error: fewstep::predictor: void predict
using without_forward = with_generator<archetype<drop::forward>>;    // error: fewstep::generator: void forward
using without_backward = with_generator<archetype<drop::backward>>;  // error: fewstep::generator: void backward
using without_parameters =
    with_generator<archetype<drop::parameters>>;  // error: fewstep::generator: vec<float> parameters
using without_gradients =
    with_generator<archetype<drop::gradients>>;  // error: fewstep::generator: vec<float> gradients
using without_const_gradients =
    with_generator<archetype<drop::const_gradients>>;  // error: fewstep::generator: vec<float> gradients

using complete_without_workspace = with_generator<without_workspace<>>;
using without_plain_predict =
    with_generator<without_workspace<drop::predict>>;  // error: fewstep::predictor: void predict\(Backend&,
                                                       // batch<context_type> rows, matrix<float> o\) is missing
using without_plain_backward =
    with_generator<without_workspace<drop::backward>>;  // error: fewstep::generator: void backward.* o_gradient\) is

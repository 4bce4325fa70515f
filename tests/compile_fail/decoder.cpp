// SPDX-License-Identifier: Apache-2.0
#include "archetype/decoder.hpp"
#include "compile_fail/compose.hpp"

using namespace decoder_archetype;
using compose::with_decoder;

using complete = with_decoder<archetype<>>;
using without_size = with_decoder<archetype<drop::size>>;              // error: fewstep::decoder: index_t decoded_size
using without_const_size = with_decoder<archetype<drop::const_size>>;  // error: fewstep::decoder: index_t decoded_size
using without_call = with_decoder<archetype<drop::call>>;              // error: fewstep::decoder: void operator
using without_result = with_decoder<archetype<drop::result>>;          // error: fewstep::decoder: void operator
using without_mutable_samples =
    with_decoder<archetype<drop::mutable_samples>>;                // error: fewstep::decoder: void operator
using without_contexts = with_decoder<archetype<drop::contexts>>;  // error: fewstep::decoder: void operator
using of_any = with_decoder<of_any_context>;

// SPDX-License-Identifier: Apache-2.0
#include "archetype/step_selection.hpp"
#include "compile_fail/compose.hpp"

using namespace step_selection_archetype;
using fewstep::consistency_sampler;
using fewstep::cps_sampler;

template <class Selection, class Sampler = cps_sampler>
using with_selection =
    compose::with_parts<fewstep::policy_gradient_parts<compose::judge, fewstep::sgd, fewstep::reinforce,
                                                       fewstep::batch_advantage, Sampler, fewstep::identity_decoder,
                                                       fewstep::no_regularizer, fewstep::no_auxiliary_loss, Selection>>;

using complete = with_selection<archetype<>>;
using without_window = with_selection<archetype<drop::window>>;  // error: fewstep::step_selection: step_window window
using without_const_window =
    with_selection<archetype<drop::const_window>>;               // error: fewstep::step_selection: step_window window
using without_result = with_selection<archetype<drop::result>>;  // error: fewstep::step_selection: step_window window
using without_noise_elsewhere =
    with_selection<archetype<drop::noise_elsewhere>>;  // error: fewstep::step_selection: static constexpr bool noise

// The consistency sampler has no steps without noise: it takes selections whose other steps are noisy, and no others.
using everywhere = with_selection<archetype<>, consistency_sampler>;
using deterministic_elsewhere = with_selection<archetype<drop::nothing, false>>;
using of_no_form =
    with_selection<fewstep::sliding_window, consistency_sampler>;  // error: steps outside of this window are sampled
                                                                   // without noise, for which this sampler has no form

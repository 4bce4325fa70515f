// SPDX-License-Identifier: Apache-2.0
#include "archetype/step_selection.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/dance_sde.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/flow_sde.hpp>
#include <fewstep/sampler/lcm.hpp>
#include <fewstep/sampler/step_selection.hpp>
#include <fewstep/sampler/windowed_table.hpp>

namespace {

using namespace step_selection_archetype;

static_assert(fewstep::step_selection<archetype<>>);
static_assert(fewstep::step_selection<archetype<drop::nothing, false>>);
static_assert(!fewstep::step_selection<archetype<drop::window>>);
static_assert(!fewstep::step_selection<archetype<drop::const_window>>);
static_assert(!fewstep::step_selection<archetype<drop::result>>);
static_assert(!fewstep::step_selection<archetype<drop::noise_elsewhere>>);
static_assert(!fewstep::step_selection<int>);

// Which samplers have steps without noise.
template <class Sampler, class P>
constexpr bool has_window = fewstep::detail::has_without_noise<Sampler, P>;
static_assert(has_window<fewstep::cps_sampler, fewstep::edm_consistency>);
static_assert(has_window<fewstep::cps_sampler, fewstep::lcm>);
static_assert(has_window<fewstep::flow_sde_sampler, fewstep::flow_matching>);
static_assert(has_window<fewstep::dance_sde_sampler, fewstep::rectified_flow<fewstep::edm_denoiser>>);
static_assert(has_window<fewstep::ddim_sampler, fewstep::epsilon_prediction>);
static_assert(!has_window<fewstep::consistency_sampler, fewstep::edm_consistency>, "it draws all of the next noise");
static_assert(!has_window<fewstep::lcm_sampler, fewstep::lcm>);

}  // namespace

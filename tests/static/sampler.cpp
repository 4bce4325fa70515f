// SPDX-License-Identifier: Apache-2.0
#include "archetype/sampler.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/dance_sde.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/flow_sde.hpp>
#include <fewstep/sampler/lcm.hpp>
#include <fewstep/sampler/sampler.hpp>

#include <concepts>

namespace {

using namespace sampler_archetype;

static_assert(fewstep::sampler<archetype<>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<>, fewstep::lcm>, "a sampler is one for a preconditioning");
static_assert(!fewstep::sampler<archetype<>, int>);
static_assert(!fewstep::sampler<archetype<drop::table>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<drop::const_table>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<drop::result>, edm_consistency>);
static_assert(!fewstep::sampler<archetype<drop::network_calls>, edm_consistency>);

static_assert(fewstep::sampler<fewstep::consistency_sampler, fewstep::flow_matching>);
static_assert(fewstep::sampler<fewstep::ddim_sampler, fewstep::velocity_prediction>);
static_assert(fewstep::sampler<fewstep::lcm_sampler, fewstep::epsilon_prediction>);
static_assert(!fewstep::sampler<fewstep::lcm_sampler, fewstep::flow_matching>, "it needs integer timesteps");

using preserving = fewstep::variance_preserving<fewstep::edm_consistency>;
static_assert(!fewstep::sampler<fewstep::lcm_sampler, preserving>, "its times are not integers");
static_assert(fewstep::sampler<fewstep::ddim_sampler, preserving>);
static_assert(fewstep::sampler<fewstep::cps_sampler, preserving>);
static_assert(fewstep::sampler<fewstep::flow_sde_sampler, fewstep::rectified_flow<fewstep::edm_denoiser>>);
static_assert(fewstep::sampler<fewstep::dance_sde_sampler, fewstep::rectified_flow<fewstep::edm_denoiser>>);

template <class S>
concept has_deterministic_form = requires(const S& s) {
  { s.without_noise() } -> std::same_as<S>;
};
static_assert(has_deterministic_form<fewstep::ddim_sampler> && has_deterministic_form<fewstep::cps_sampler> &&
              has_deterministic_form<fewstep::flow_sde_sampler> && has_deterministic_form<fewstep::dance_sde_sampler>);
static_assert(!has_deterministic_form<fewstep::consistency_sampler> && !has_deterministic_form<fewstep::lcm_sampler>);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/lcm.hpp>
#include <fewstep/sampler/sampler.hpp>

namespace {

using fewstep::edm_consistency;
using fewstep::step_table;

enum class drop { nothing, table, const_table, result, network_calls };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  step_table table(const edm_consistency&, int) const requires(D == drop::nothing);
  step_table table(const edm_consistency&, int) requires(D == drop::const_table);
  float table(const edm_consistency&, int) const requires(D == drop::result);
  step_table table(const edm_consistency&) const requires(D == drop::network_calls);
};

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

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/particle_process.hpp"

#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/mdp/generator_particles.hpp>
#include <fewstep/mdp/particle_process.hpp>

namespace {

using namespace particle_process_archetype;
using fewstep::particle_process;

static_assert(particle_process<archetype<>, cpu_backend>);
static_assert(!particle_process<archetype<>, int>);
static_assert(!particle_process<int, cpu_backend>);
static_assert(!particle_process<without_value_type, cpu_backend>);
static_assert(!particle_process<archetype<drop::steps>, cpu_backend>);
static_assert(!particle_process<archetype<drop::particles>, cpu_backend>);
static_assert(!particle_process<archetype<drop::sample_size>, cpu_backend>);
static_assert(!particle_process<archetype<drop::start>, cpu_backend>);
static_assert(!particle_process<archetype<drop::step>, cpu_backend>);
static_assert(!particle_process<archetype<drop::clean>, cpu_backend>);
static_assert(!particle_process<archetype<drop::clean_of_values>, cpu_backend>);
static_assert(!particle_process<archetype<drop::gather>, cpu_backend>);

using mlp = fewstep::mlp_generator<cpu_backend, fewstep::edm_consistency>;
static_assert(particle_process<fewstep::generator_particles<cpu_backend, mlp>, cpu_backend>);

}  // namespace

// SPDX-License-Identifier: Apache-2.0
#include "archetype/particle_process.hpp"

using namespace particle_process_archetype;

template <class Process>
struct with_process {
  static constexpr bool is_one = fewstep::detail::require_particle_process<Process, cpu_backend>();
};

template struct with_process<archetype<>>;
template struct with_process<archetype<drop::steps>>;        // error: fewstep::particle_process: int steps
template struct with_process<archetype<drop::particles>>;    // error: fewstep::particle_process: int steps.* particles
template struct with_process<archetype<drop::sample_size>>;  // error: fewstep::particle_process: .* sample_size
template struct with_process<without_value_type>;            // error: fewstep::particle_process: value_type
template struct with_process<archetype<drop::start>>;        // error: fewstep::particle_process: void start
template struct with_process<archetype<drop::step>>;         // error: fewstep::particle_process: void step
template struct with_process<archetype<drop::clean>>;        // error: fewstep::particle_process: void clean
template struct with_process<archetype<drop::clean_of_values>>;  // error: fewstep::particle_process: void clean
template struct with_process<archetype<drop::gather>>;           // error: fewstep::particle_process: void gather

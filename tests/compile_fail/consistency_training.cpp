// SPDX-License-Identifier: Apache-2.0
#include "archetype/generator.hpp"
#include "archetype/optimizer.hpp"

#include <fewstep/fewstep.hpp>

template <class Generator, class Optimizer>
using training = fewstep::consistency_training<fewstep::cpu_backend, Generator, Optimizer>;
template <generator_archetype::drop D>
using with_generator = training<generator_archetype::archetype<D>, optimizer_archetype::archetype<>>;
template <optimizer_archetype::drop D>
using with_optimizer = training<generator_archetype::archetype<>, optimizer_archetype::archetype<D>>;

using complete = training<generator_archetype::archetype<>, optimizer_archetype::archetype<>>;
using without_forward = with_generator<generator_archetype::drop::forward>;  // error: fewstep::generator: void forward
using without_update = with_optimizer<optimizer_archetype::drop::update>;    // error: fewstep::optimizer: void update

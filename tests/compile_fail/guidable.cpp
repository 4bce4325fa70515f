// SPDX-License-Identifier: Apache-2.0
#include "archetype/guidable.hpp"

#include <fewstep/fewstep.hpp>

using namespace guidable_archetype;
using fewstep::guided;

void guide(fewstep::cpu_backend& backend, archetype<>& complete, archetype<drop::unconditional>& without,
           archetype<drop::const_unconditional>& without_const) {
  guided model(backend, complete, {.scale = 5.0f});
  guided second(backend, without);       // error: fewstep::guidable: context_type unconditional\(\) const is missing
  guided third(backend, without_const);  // error: fewstep::guidable: context_type unconditional\(\) const is missing
}

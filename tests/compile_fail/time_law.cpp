// SPDX-License-Identifier: Apache-2.0
#include "archetype/time_law.hpp"
#include "archetype/preference_source.hpp"
#include "compile_fail/compose.hpp"

using namespace time_law_archetype;
using model = compose::generator<fewstep::cpu_backend>;
using pairs = preference_source_archetype::archetype<std::int32_t>;
using fewstep::corrupted_pairs;

template <drop D>
using law = archetype<D>;

void complete(fewstep::cpu_backend& backend, model& m, pairs& p, law<drop::nothing> times) {
  (void)corrupted_pairs(backend, m, std::ref(p), times);
}
void without_call(fewstep::cpu_backend& backend, model& m, pairs& p, law<drop::call> times) {
  (void)corrupted_pairs(backend, m, std::ref(p), times);  // error: fewstep::time_law: float operator
}
void without_const(fewstep::cpu_backend& backend, model& m, pairs& p, law<drop::const_call> times) {
  (void)corrupted_pairs(backend, m, std::ref(p), times);  // error: fewstep::time_law: float operator
}
void without_result(fewstep::cpu_backend& backend, model& m, pairs& p, law<drop::result> times) {
  (void)corrupted_pairs(backend, m, std::ref(p), times);  // error: fewstep::time_law: float operator
}

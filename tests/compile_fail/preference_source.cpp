// SPDX-License-Identifier: Apache-2.0
#include "archetype/preference_source.hpp"

#include <fewstep/fewstep.hpp>

using namespace preference_source_archetype;

using training = fewstep::preference_training<fewstep::cpu_backend, fewstep::adam>;
template <drop D = drop::nothing>
using source = archetype<fewstep::token_list, D>;

void complete(training& t, source<>& s) { t.step(s); }
void without_call(training& t, source<drop::call>& s) {
  t.step(s);  // error: fewstep::preference_source: void operator
}
void without_result(training& t, source<drop::result>& s) {
  t.step(s);  // error: fewstep::preference_source: void operator
}
void without_step(training& t, source<drop::step>& s) {
  t.step(s);  // error: fewstep::preference_source: void operator
}

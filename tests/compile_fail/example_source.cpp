// SPDX-License-Identifier: Apache-2.0
#include "archetype/example_source.hpp"

#include <fewstep/fewstep.hpp>

using namespace example_source_archetype;

using training =
    fewstep::consistency_training<fewstep::cpu_backend, fewstep::mlp_generator<fewstep::cpu_backend>, fewstep::adam>;

void complete(training& t, archetype<>& source) { t.step(source); }
void without_call(training& t, archetype<drop::call>& source) {
  t.step(source);  // error: fewstep::example_source: void operator
}
void without_result(training& t, archetype<drop::result>& source) {
  t.step(source);  // error: fewstep::example_source: void operator
}
void without_step(training& t, archetype<drop::step>& source) {
  t.step(source);  // error: fewstep::example_source: void operator
}

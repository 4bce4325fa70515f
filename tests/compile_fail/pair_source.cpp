// SPDX-License-Identifier: Apache-2.0
#include "archetype/pair_source.hpp"
#include "compile_fail/compose.hpp"

#include <functional>

using namespace pair_source_archetype;
using model = compose::generator<fewstep::cpu_backend>;
using times = fewstep::uniform_times;
using fewstep::corrupted_pairs;

template <drop D = drop::nothing>
using source = pairs<std::int32_t, D>;

void complete(fewstep::cpu_backend& backend, model& m, source<>& s, judged<std::int32_t>& j) {
  (void)corrupted_pairs(backend, m, std::ref(s), times{});
  (void)corrupted_pairs(backend, m, std::ref(j), times{});
}
void without_call(fewstep::cpu_backend& backend, model& m, source<drop::call>& s) {
  (void)corrupted_pairs(backend, m, std::ref(s), times{});  // error: fewstep::pair_source: void operator
}
void without_labels(fewstep::cpu_backend& backend, model& m, source<drop::labels>& s) {
  (void)corrupted_pairs(backend, m, std::ref(s), times{});  // error: fewstep::pair_source: void operator
}
void of_another_context(fewstep::cpu_backend& backend, model& m, pairs<float>& s) {
  (void)corrupted_pairs(backend, m, std::ref(s), times{});  // error: fewstep::pair_source: void operator
}

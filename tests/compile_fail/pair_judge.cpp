// SPDX-License-Identifier: Apache-2.0
#include "archetype/pair_judge.hpp"
#include "archetype/preference_source.hpp"
#include "compile_fail/compose.hpp"

using namespace pair_judge_archetype;
using fewstep::labelled_pairs;
using fewstep::matrix;
namespace samples = preference_source_archetype;
using context = std::int32_t;
using contexts = std::span<context>;

/// Asks a source as corrupted_pairs does.
template <class Source>
void ask(Source& source, matrix<float> x, contexts c) {
  source(std::int64_t{0}, x, x, c, x);
}
template <class Judge, samples::drop D = samples::drop::nothing>
using pairs = labelled_pairs<samples::archetype<context, D>, Judge>;
template <class Function>
using rule = pairs<fewstep::per_pair<Function>>;

void complete(pairs<archetype<context>>& p, matrix<float> x, contexts c) { ask(p, x, c); }
void without_call(pairs<archetype<context, drop::call>>& p, matrix<float> x, contexts c) {
  p(0, x, x, c, x);  // error: fewstep::pair_judge: void operator
}
void of_another_context(pairs<archetype<float>>& p, matrix<float> x, contexts c) {
  p(0, x, x, c, x);  // error: fewstep::pair_judge: void operator
}
void without_samples(pairs<archetype<context>, samples::drop::call>& p, matrix<float> x, contexts c) {
  p(0, x, x, c, x);  // error: fewstep::preference_source: void operator
}
void mixed_with_no_source(fewstep::mixed_pairs<pairs<archetype<context>>, int>& p, matrix<float> x, contexts c) {
  p(0, x, x, c, x);  // error: fewstep::pair_source: void operator
}
void of_no_reward(pairs<fewstep::reward_judge<int>>& p, matrix<float> x, contexts c) {
  p(0, x, x, c, x);  // error: fewstep::reward: void operator
}
void of_no_rule(rule<float (*)(fewstep::vec<const float>)>& p, matrix<float> x, contexts c) {
  p(0, x, x, c, x);  // error: fewstep::per_pair: the function must be callable
}

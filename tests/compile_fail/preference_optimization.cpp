// SPDX-License-Identifier: Apache-2.0
#include "archetype/comparison_source.hpp"
#include "archetype/preference_link.hpp"
#include "archetype/preference_source.hpp"
#include "compile_fail/compose.hpp"

using fewstep::cpu_backend;
using model = compose::generator<cpu_backend>;
using of_model = fewstep::frozen_reference<model>;
template <class Source, class Optimizer, class Link = fewstep::not_given>
using trainer =
    fewstep::preference_optimization<cpu_backend, model, Source, fewstep::preference_parts<Optimizer, of_model, Link>>;

namespace of_source {

using namespace comparison_source_archetype;
template <drop D>
using with_source = trainer<archetype<D>, fewstep::sgd>;

using complete = with_source<drop::nothing>;
using without_members = with_source<drop::members>;          // error: comparison_source: static constexpr int members
using without_comparisons = with_source<drop::comparisons>;  // error: comparison_source: index_t comparisons
using without_bytes = with_source<drop::bytes>;              // error: comparison_source: std::size_t bytes
using without_prepare = with_source<drop::prepare>;          // error: comparison_source: std::size_t bytes
using without_rows = with_source<drop::rows>;  // error: comparison_source: preference_rows<context_type> rows

}  // namespace of_source

namespace of_parts {

using source = comparison_source_archetype::archetype<>;
using namespace preference_link_archetype;

using complete = trainer<source, fewstep::sgd, archetype<>>;
using without_call =
    trainer<source, fewstep::sgd, archetype<drop::call>>;  // error: preference_link: link_value operator
using with_a_reference =
    trainer<source, fewstep::sgd, fewstep::odds_ratio_link>;    // error: this link takes log-ratios of the policy alone
using without_optimizer = trainer<source, fewstep::not_given>;  // error: there is no optimizer

}  // namespace of_parts

namespace of_published {

using pairs = preference_source_archetype::archetype<int>;

void complete(cpu_backend& backend, model& m, pairs& source, const of_model& reference) {
  const auto t = fewstep::diffusion_dpo(backend, m, std::ref(source),
                                        fewstep::preference_parts{.optimizer = fewstep::sgd{}, .reference = reference});
}
void without_reference(cpu_backend& backend, model& m, pairs& source) {
  const fewstep::preference_parts parts{.optimizer = fewstep::sgd{}};
  const auto t = fewstep::diffusion_dpo(backend, m, std::ref(source), parts);  // error: there is no reference, from
}

}  // namespace of_published

namespace of_update {

using sampled = trainer<fewstep::trajectory_pairs<cpu_backend, model, compose::judge>, fewstep::sgd>;
using of_its_own = trainer<
    fewstep::corrupted_pairs<cpu_backend, model, preference_source_archetype::archetype<int>, fewstep::uniform_times>,
    fewstep::sgd>;

void complete(sampled& t, of_its_own& u, std::span<const std::int32_t> prompts) { t.update(prompts), u.update(); }
void without_prompts(sampled& t) {
  t.update();  // error: its source samples for prompts; call update.contexts
}
void with_prompts(of_its_own& t, std::span<const std::int32_t> prompts) {
  t.update(prompts);  // error: its source has comparisons of its own; call update.
}

}  // namespace of_update

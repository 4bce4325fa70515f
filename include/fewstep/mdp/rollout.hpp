// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/reduction.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/mdp/transition.hpp>

#include <cstdint>

namespace fewstep {

/// Samples rows [first, first + count) of the trajectory: x_0 ~ N(0, initial_sigma^2 I), then x' = a x + b o + sigma z
/// for every row of the step table, with log pi(x') of the steps that are trained. Contexts must have been set, and
/// `noise` lies where the backend's operations read it.
/// `o` is scratch of at least [count, D]. Rows are independent, so a batch may be sampled in parts. Samples that stand
/// together in groups of `shared` start from the same state.
///
/// Kept out of line, so that a trainer and a policy run the same instructions.
template <class Backend, class Generator, class Context>
[[gnu::noinline]] void rollout(Backend& backend, Generator& model, typename Generator::workspace_type& workspace,
                               trajectory<Backend, Context>& path, matrix<float> o, const rollout_noise* noise,
                               reduction over, index_t first, index_t count, index_t shared = 1) {
  if (count == 0) return;
  path.upload_contexts(backend);
  const step_table& table = path.table();
  const auto part = [&](int step) { return path.state(step).subview(first, count); };
  matrix<float> output = o.subview(0, count);
  draw_initial_states(backend, initial_states{part(0), table.initial_sigma, noise, first, shared});
  for (int k = 0; k < table.horizon(); ++k) {
    if (path.keeps_outputs()) output = path.outputs().subview(k * path.samples() + first, count);
    model.predict(backend, path.rows(k * path.samples() + first, count), output, workspace);
    take_step(backend,
              transition_step{.x = part(k),
                              .o = output,
                              .next = part(k + 1),
                              .row = table.rows[static_cast<std::size_t>(k)],
                              .step = static_cast<std::uint32_t>(k),
                              .noise = noise,
                              .first = first,
                              .log_probabilities =
                                  table.trains(k) ? path.log_probabilities() + k * path.samples() + first : nullptr,
                              .reduction = over});
  }
  const step_row& last = table.rows.back();
  emit_result(backend, rollout_result{.x = part(table.horizon() - 1),
                                      .o = output,
                                      .next = part(table.horizon()),
                                      .to = path.result().subview(first, count),
                                      .skip = last.skip,
                                      .out = last.out,
                                      .clean = table.result == emitted::clean});
}

/// As above, on a backend whose operations read the host's memory.
template <class Backend, class Generator, class Context>
requires on_host<Backend>
void rollout(Backend& backend, Generator& model, typename Generator::workspace_type& workspace,
             trajectory<Backend, Context>& path, matrix<float> o, rollout_noise noise, reduction over, index_t first,
             index_t count) {
  rollout(backend, model, workspace, path, o, &noise, over, first, count);
}

}  // namespace fewstep

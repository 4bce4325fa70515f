// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/reduction.hpp>
#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/mdp/transition.hpp>

namespace fewstep {

/// Samples rows [first, first + count) of the trajectory: x_0 ~ N(0, initial_sigma^2 I), then x' = a x + b o + sigma z
/// for every row of the step table, with log pi(x') of the steps that are trained. Contexts must have been set, and
/// `noise` lies where the backend's operations read it.
/// `o` is scratch of at least [count, D]. Rows are independent, so a batch may be sampled in parts. Samples that stand
/// together in groups of `shared` start from the same state.
/// open_rollout is the same in steps.
template <class Backend, class Generator, class Context>
void rollout(Backend& backend, Generator& model, workspace_of<Generator>& workspace, trajectory<Backend, Context>& path,
             matrix<float> o, const rollout_noise* noise, reduction over, index_t first, index_t count,
             index_t shared = 1) {
  if (count == 0) return;
  open_rollout run(backend, model, workspace, path, o, noise, over, first, count, shared);
  run.start();
  while (run.at() < path.table().horizon()) run.step();
  run.finish();
}

/// As above, on a backend whose operations read the host's memory.
template <class Backend, class Generator, class Context>
requires on_host<Backend>
void rollout(Backend& backend, Generator& model, workspace_of<Generator>& workspace, trajectory<Backend, Context>& path,
             matrix<float> o, rollout_noise noise, reduction over, index_t first, index_t count) {
  rollout(backend, model, workspace, path, o, &noise, over, first, count);
}

}  // namespace fewstep

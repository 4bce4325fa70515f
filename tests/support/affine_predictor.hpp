// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cstddef>
#include <vector>

namespace fewstep::test {

/// o = 0.3 x + context + 0.1 t, for the process of a consistency model; counts the calls.
struct affine_predictor {
  static constexpr index_t dimension = 19;
  using context_type = float;
  struct workspace_type {};
  int calls = 0;

  [[nodiscard]] index_t sample_size() const { return dimension; }
  [[nodiscard]] edm_consistency preconditioner() const {
    return {.sigma_data = 0.5f, .sigma_min = 0.1f, .sigma_max = 4};
  }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, batch<float> rows, matrix<float> o, workspace_type&) {
    ++calls;
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < dimension; ++d) o(r, d) = 0.3f * rows.x(r, d) + rows.contexts[r] + 0.1f * rows.times[r];
  }
};
static_assert(predictor<affine_predictor, cpu_backend>);

/// A trajectory of it and what a rollout needs; sample r has the context 0.25 (r % 3).
struct affine_sampling {
  cpu_backend backend;
  affine_predictor model;
  affine_predictor::workspace_type workspace;
  trajectory<cpu_backend, float> path;
  std::vector<float> o;

  affine_sampling(const step_table& table, index_t samples, int threads = 1, trajectory_options options = {})
      : backend({.threads = threads}),
        path(backend, table, samples, affine_predictor::dimension, options),
        o(static_cast<std::size_t>(samples * affine_predictor::dimension)) {
    for (index_t r = 0; r < samples; ++r) path.set_context(r, 0.25f * static_cast<float>(r % 3));
  }
  void run(rollout_noise noise, index_t first, index_t count, reduction over = reduction::mean) {
    rollout(backend, model, workspace, path, {o.data(), {count, affine_predictor::dimension}}, noise, over, first,
            count);
  }
  /// The states of all steps, the results and the log-probabilities of trained rows.
  [[nodiscard]] std::vector<float> everything() {
    const matrix<const float> states = path.states();
    std::vector<float> all(states.begin(), states.end());
    const matrix<float> result = path.result();
    all.insert(all.end(), result.begin(), result.end());
    for (index_t row = 0; row < path.trained_rows(); ++row)
      all.push_back(static_cast<float>(path.log_probability(path.first_trained_row() + row)));
    return all;
  }
};

}  // namespace fewstep::test

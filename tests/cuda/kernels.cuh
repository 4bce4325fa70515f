// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/cuda.cuh>

/// Every kernel that is written by hand, compiled to look at its machine code; nothing calls this.

namespace fewstep::test {

template <class Objective, class Estimate = kl_estimate::exact, class Backend>
void compile_score(Backend& backend) {
  score_rows(backend, scored_rows<Objective, Estimate>{});
}

template <class Optimizer, class Backend>
void compile_step(Backend& backend) {
  const Optimizer optimizer;
  auto state = make_optimizer_state(optimizer, backend, 0);
  optimizer_step(optimizer, backend, state, {}, {});
}

template <class Backend>
void compile_kernels(Backend& backend) {
  auto& executor = backend.executor(0);
  compile_score<clipped_surrogate>(backend);
  compile_score<reinforce>(backend);
  compile_score<clipped_surrogate, kl_estimate::k3>(backend);
  draw_initial_states(backend, initial_states{});
  take_step(backend, transition_step{});
  compile_step<adamw>(backend);
  compile_step<adam>(backend);
  compile_step<sgd>(backend);

  group_norm_forward(executor, {}, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  group_norm_backward(executor, {}, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                      nullptr, nullptr);
  layer_norm_forward(executor, 0, {}, nullptr, nullptr, nullptr, {});
  layer_norm_backward(executor, {}, nullptr, nullptr, {}, {}, nullptr, nullptr);
  attention_forward(executor, {}, {}, {}, {}, nullptr, nullptr);
  attention_backward(executor, {}, {}, {}, {}, nullptr, nullptr, {}, {}, {});
  product(executor, {}, {}, {});
  product_nt(executor, {}, {}, {});
  product_tn_add(executor, {}, {}, {});
  add_column_sums(executor, {}, {});
  conv2d_forward(executor, {}, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  conv2d_backward_input(executor, {}, nullptr, nullptr, nullptr, nullptr);
  conv2d_backward_weight(executor, {}, nullptr, nullptr, nullptr, nullptr);
  detail::gather(executor, {}, nullptr, 0, 0, nullptr);
  add_word_gradients(executor, {}, {}, nullptr, 0);
  prepare_parameters(backend, {}, {});
  apply_loss(backend, consistency_loss<edm_consistency>{});
}

}  // namespace fewstep::test

// SPDX-License-Identifier: Apache-2.0
// Every kernel that is written by hand, for a GPU. Compiled to see what registers they take; nothing calls this.
#include <fewstep/cuda.cuh>

namespace fewstep {

template <class Objective>
void compile_score(cuda_backend& backend) {
  score_rows(backend, scored_rows<Objective>{});
}

template <class Optimizer>
void compile_step(cuda_backend& backend) {
  const Optimizer rule;
  auto state = rule.make_state(backend, 0);
  rule.update(backend, state, {}, {});
}

void compile_all(cuda_backend& backend) {
  auto& executor = backend.executor(0);
  compile_score<clipped_surrogate>(backend);
  compile_score<reinforce>(backend);
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
  add_word_gradients(executor, {}, {}, nullptr, 0);
  prepare_parameters(backend, {}, {});
  apply_loss(backend, consistency_loss<edm_consistency>{});
}

}  // namespace fewstep

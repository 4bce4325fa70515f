// SPDX-License-Identifier: Apache-2.0
// The kernels of the CPU, for aligned-stack.sh to look at; nothing calls this.
#include <fewstep/fewstep.hpp>

namespace fewstep {

template <class T>
void compile_layers(cpu_executor& executor) {
  const T* in = nullptr;
  T* out = nullptr;
  const matrix<const T> rows{};
  const matrix<T> result{};
  const strided_rows<const T> heads{};
  norm_statistics<T>* statistics = nullptr;

  group_norm_forward(executor, {}, in, in, in, in, statistics, out);
  group_norm_backward(executor, {}, in, in, in, in, statistics, in, in, out, out, out, out);
  layer_norm_forward(executor, 0, rows, in, in, statistics, result);
  layer_norm_backward(executor, rows, in, statistics, rows, result, out, out);
  attention_forward(executor, {}, heads, heads, heads, out, out);
  attention_backward(executor, {}, heads, heads, heads, in, in, strided_rows<T>{}, strided_rows<T>{},
                     strided_rows<T>{});
  product(executor, rows, rows, result);
  product_nt(executor, rows, rows, result);
  product_tn_add(executor, rows, rows, result);
  add_column_sums(executor, rows, vec<T>{});
  prepare_filter(executor, {}, in, out, false);
  conv2d_forward(executor, {}, in, in, in, in, in, out);
  conv2d_backward_input(executor, {}, in, in, in, out);
  conv2d_backward_weight(executor, {}, in, in, out, out);
  add_word_gradients(executor, {}, rows, out, 0);
}

template <class Objective>
void compile_score(cpu_backend& backend) {
  score_rows(backend, scored_rows<Objective>{});
}

template <class Optimizer>
void compile_step(cpu_backend& backend) {
  const Optimizer optimizer;
  auto state = make_optimizer_state(optimizer, backend, 0);
  optimizer_step(optimizer, backend, state, {}, {});
}

void compile_all(cpu_backend& backend) {
  compile_layers<float>(backend.executor(0));
  compile_layers<double>(backend.executor(0));
  compile_score<clipped_surrogate>(backend);
  compile_score<guarded_surrogate>(backend);
  compile_score<divergence_mask>(backend);
  compile_score<reinforce>(backend);
  draw_initial_states(backend, initial_states{});
  take_step(backend, transition_step{});
  emit_result(backend, rollout_result{});
  compile_step<adamw>(backend);
  compile_step<adam>(backend);
  compile_step<sgd>(backend);
  prepare_parameters(backend, {}, {});
  noise_examples(backend, noised_examples<edm_consistency>{});
  apply_loss(backend, consistency_loss<edm_consistency>{});
}

}  // namespace fewstep

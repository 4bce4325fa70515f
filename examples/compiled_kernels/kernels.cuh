// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/cuda.cuh>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>

/// The kernels of networks, of transitions and of the score on a GPU and in the emulation, as functions that kernels.cu
/// compiles; kernels.hpp has those of the CPU. A file that includes this compiles none of them, and nvcc most of its
/// time less.

#ifndef COMPILED_KERNEL
#define COMPILED_KERNEL extern template
#endif

namespace fewstep {

#define COMPILED_KERNELS_ON(DEVICE)                                                                                    \
  COMPILED_KERNEL void product(device_executor<DEVICE>&, matrix<const float>, matrix<const float>, matrix<float>,      \
                               bool, const float*);                                                                    \
  COMPILED_KERNEL void product_nt(device_executor<DEVICE>&, matrix<const float>, matrix<const float>, matrix<float>,   \
                                  bool);                                                                               \
  COMPILED_KERNEL void product_tn_add(device_executor<DEVICE>&, matrix<const float>, matrix<const float>,              \
                                      matrix<float>);                                                                  \
  COMPILED_KERNEL void add_column_sums(device_executor<DEVICE>&, matrix<const float>, vec<float>);                     \
  COMPILED_KERNEL void prepare_filter(device_executor<DEVICE>&, const conv2d_shape&, const float*, float*, bool);      \
  COMPILED_KERNEL void conv2d_forward(device_executor<DEVICE>&, const conv2d_shape&, const float*, const float*,       \
                                      const float*, const float*, const float*, float*);                               \
  COMPILED_KERNEL void conv2d_backward_input(device_executor<DEVICE>&, const conv2d_shape&, const float*,              \
                                             const float*, const float*, float*);                                      \
  COMPILED_KERNEL void conv2d_backward_weight(device_executor<DEVICE>&, const conv2d_shape&, const float*,             \
                                              const float*, float*, float*);                                           \
  COMPILED_KERNEL void group_norm_forward(device_executor<DEVICE>&, const group_norm_shape&, const float*,             \
                                          const float*, const float*, const float*, norm_statistics<float>*, float*);  \
  COMPILED_KERNEL void group_norm_backward(device_executor<DEVICE>&, const group_norm_shape&, const float*,            \
                                           const float*, const float*, const float*, const norm_statistics<float>*,    \
                                           const float*, const float*, float*, float*, float*, float*);                \
  COMPILED_KERNEL void layer_norm_forward(device_executor<DEVICE>&, float, matrix<const float>, const float*,          \
                                          const float*, norm_statistics<float>*, matrix<float>);                       \
  COMPILED_KERNEL void layer_norm_backward(device_executor<DEVICE>&, matrix<const float>, const float*,                \
                                           const norm_statistics<float>*, matrix<const float>, matrix<float>, float*,  \
                                           float*);                                                                    \
  COMPILED_KERNEL void attention_forward(device_executor<DEVICE>&, const attention_shape&, strided_rows<const float>,  \
                                         strided_rows<const float>, strided_rows<const float>, float*, float*);        \
  COMPILED_KERNEL void attention_backward(device_executor<DEVICE>&, const attention_shape&, strided_rows<const float>, \
                                          strided_rows<const float>, strided_rows<const float>, const float*,          \
                                          const float*, strided_rows<float>, strided_rows<float>,                      \
                                          strided_rows<float>);                                                        \
  COMPILED_KERNEL void add_word_gradients(device_executor<DEVICE>&, matrix<const std::int32_t>, matrix<const float>,   \
                                          float*, index_t);                                                            \
  COMPILED_KERNEL void prepare_parameters(device_backend<DEVICE>&, const parameter_layout&, const parameter_forms&);   \
  COMPILED_KERNEL void draw_initial_states(device_backend<DEVICE>&, const initial_states&);                            \
  COMPILED_KERNEL void take_step(device_backend<DEVICE>&, const transition_step&);                                     \
  COMPILED_KERNEL void score_rows(device_backend<DEVICE>&, const scored_rows<clipped_surrogate, kl_estimate::exact>&); \
  COMPILED_KERNEL void score_rows(device_backend<DEVICE>&, const scored_rows<reinforce, kl_estimate::exact>&);

COMPILED_KERNELS_ON(emulated_device)
COMPILED_KERNELS_ON(cuda_device)

}  // namespace fewstep

#undef COMPILED_KERNELS_ON
#undef COMPILED_KERNEL

// SPDX-License-Identifier: Apache-2.0

/// The kernels of networks for one kind of executor, float throughout: what kernels.hpp declares of the CPU, and
/// kernels.cuh of a GPU and of the emulation. COMPILED_KERNEL is `extern template`, or `template` in the file that
/// compiles them.
#define COMPILED_NETWORK_KERNELS(EXECUTOR)                                                                             \
  COMPILED_KERNEL void product(EXECUTOR&, matrix<const float>, matrix<const float>, matrix<float>, bool,               \
                               const float*);                                                                          \
  COMPILED_KERNEL void product_nt(EXECUTOR&, matrix<const float>, matrix<const float>, matrix<float>, bool);           \
  COMPILED_KERNEL void product_tn_add(EXECUTOR&, matrix<const float>, matrix<const float>, matrix<float>);             \
  COMPILED_KERNEL void add_column_sums(EXECUTOR&, matrix<const float>, vec<float>);                                    \
  COMPILED_KERNEL void prepare_filter(EXECUTOR&, const conv2d_shape&, const float*, float*, bool);                     \
  COMPILED_KERNEL void conv2d_forward(EXECUTOR&, const conv2d_shape&, const float*, const float*, const float*,        \
                                      const float*, const float*, float*);                                             \
  COMPILED_KERNEL void conv2d_backward_input(EXECUTOR&, const conv2d_shape&, const float*, const float*, const float*, \
                                             float*);                                                                  \
  COMPILED_KERNEL void conv2d_backward_weight(EXECUTOR&, const conv2d_shape&, const float*, const float*, float*,      \
                                              float*);                                                                 \
  COMPILED_KERNEL void group_norm_forward(EXECUTOR&, const group_norm_shape&, const float*, const float*,              \
                                          const float*, const float*, norm_statistics<float>*, float*);                \
  COMPILED_KERNEL void group_norm_backward(EXECUTOR&, const group_norm_shape&, const float*, const float*,             \
                                           const float*, const float*, const norm_statistics<float>*, const float*,    \
                                           const float*, float*, float*, float*, float*);                              \
  COMPILED_KERNEL void layer_norm_forward(EXECUTOR&, float, matrix<const float>, const float*, const float*,           \
                                          norm_statistics<float>*, matrix<float>);                                     \
  COMPILED_KERNEL void layer_norm_backward(EXECUTOR&, matrix<const float>, const float*,                               \
                                           const norm_statistics<float>*, matrix<const float>, matrix<float>, float*,  \
                                           float*);                                                                    \
  COMPILED_KERNEL void attention_forward(EXECUTOR&, const attention_shape&, strided_rows<const float>,                 \
                                         strided_rows<const float>, strided_rows<const float>, float*, float*);        \
  COMPILED_KERNEL void attention_backward(EXECUTOR&, const attention_shape&, strided_rows<const float>,                \
                                          strided_rows<const float>, strided_rows<const float>, const float*,          \
                                          const float*, strided_rows<float>, strided_rows<float>,                      \
                                          strided_rows<float>);

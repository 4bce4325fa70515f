// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/attention.hpp>
#include <fewstep/backend/cpu/conv2d.hpp>
#include <fewstep/backend/cpu/norm.hpp>
#include <fewstep/backend/cpu/product.hpp>

/// The kernels of networks on the CPU, for float, as functions that kernels.cpp compiles: a file that includes this
/// calls them and compiles none. It has to be compiled with the same flags for the processor as kernels.cpp; the
/// optimisation may differ, and is that of kernels.cpp for the kernels (docs/compile-time.md).

#ifndef COMPILED_KERNEL
#define COMPILED_KERNEL extern template
#endif

namespace fewstep {

COMPILED_KERNEL void product<float>(cpu_executor&, matrix<const float>, matrix<const float>, matrix<float>, bool,
                                    const float*);
COMPILED_KERNEL void product_nt<float>(cpu_executor&, matrix<const float>, matrix<const float>, matrix<float>, bool);
COMPILED_KERNEL void product_tn_add<float>(cpu_executor&, matrix<const float>, matrix<const float>, matrix<float>);
COMPILED_KERNEL void add_column_sums<float>(cpu_executor&, matrix<const float>, vec<float>);

COMPILED_KERNEL void prepare_filter<float>(cpu_executor&, const conv2d_shape&, const float*, float*, bool);
COMPILED_KERNEL void conv2d_forward<float>(cpu_executor&, const conv2d_shape&, const float*, const float*, const float*,
                                           const float*, const float*, float*);
COMPILED_KERNEL void conv2d_backward_input<float>(cpu_executor&, const conv2d_shape&, const float*, const float*,
                                                  const float*, float*);
COMPILED_KERNEL void conv2d_backward_weight<float>(cpu_executor&, const conv2d_shape&, const float*, const float*,
                                                   float*, float*);

COMPILED_KERNEL void group_norm_forward<float>(cpu_executor&, const group_norm_shape&, const float*, const float*,
                                               const float*, const float*, norm_statistics<float>*, float*);
COMPILED_KERNEL void group_norm_backward<float>(cpu_executor&, const group_norm_shape&, const float*, const float*,
                                                const float*, const float*, const norm_statistics<float>*, const float*,
                                                const float*, float*, float*, float*, float*);
COMPILED_KERNEL void layer_norm_forward<float>(cpu_executor&, float, matrix<const float>, const float*, const float*,
                                               norm_statistics<float>*, matrix<float>);
COMPILED_KERNEL void layer_norm_backward<float>(cpu_executor&, matrix<const float>, const float*,
                                                const norm_statistics<float>*, matrix<const float>, matrix<float>,
                                                float*, float*);

COMPILED_KERNEL void attention_forward<float>(cpu_executor&, const attention_shape&, strided_rows<const float>,
                                              strided_rows<const float>, strided_rows<const float>, float*, float*);
COMPILED_KERNEL void attention_backward<float>(cpu_executor&, const attention_shape&, strided_rows<const float>,
                                               strided_rows<const float>, strided_rows<const float>, const float*,
                                               const float*, strided_rows<float>, strided_rows<float>,
                                               strided_rows<float>);

}  // namespace fewstep

#undef COMPILED_KERNEL

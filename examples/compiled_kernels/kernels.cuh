// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/cuda.cuh>

/// The kernels of networks, of transitions and of the commonest scores, on a GPU and in the emulation, as functions
/// that kernels.cu compiles: a file that includes this calls them and compiles none, neither for the device nor for the
/// host. kernels.hpp has the kernels of the CPU.

#ifndef COMPILED_KERNEL
#define COMPILED_KERNEL extern template
#endif

#include "network_kernels.hpp"

#define COMPILED_KERNELS_ON(DEVICE)                                                                                    \
  COMPILED_NETWORK_KERNELS(device_executor<DEVICE>)                                                                    \
  COMPILED_KERNEL void add_word_gradients(device_executor<DEVICE>&, matrix<const std::int32_t>, matrix<const float>,   \
                                          float*, index_t);                                                            \
  COMPILED_KERNEL void prepare_parameters(device_backend<DEVICE>&, const parameter_layout&, const parameter_forms&);   \
  COMPILED_KERNEL void draw_initial_states(device_backend<DEVICE>&, const initial_states&);                            \
  COMPILED_KERNEL void take_step(device_backend<DEVICE>&, const transition_step&);                                     \
  COMPILED_KERNEL void score_rows(device_backend<DEVICE>&, const scored_rows<clipped_surrogate, kl_estimate::exact>&); \
  COMPILED_KERNEL void score_rows(device_backend<DEVICE>&, const scored_rows<reinforce, kl_estimate::exact>&);

namespace fewstep {

COMPILED_KERNELS_ON(emulated_device)
COMPILED_KERNELS_ON(cuda_device)

}  // namespace fewstep

#undef COMPILED_KERNELS_ON
#undef COMPILED_NETWORK_KERNELS
#undef COMPILED_KERNEL

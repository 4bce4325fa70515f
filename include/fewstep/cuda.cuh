// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

/// Everything that needs nvcc and CUDA's own libraries (Thrust, CUB, libcu++, cuBLASLt), and fewstep.hpp.
/// fewstep/cuda/cudnn.cuh, where it is wanted, is included beside it.

#include <fewstep/fewstep.hpp>

#include <fewstep/cuda/algorithms.cuh>
#include <fewstep/cuda/attention.cuh>
#include <fewstep/cuda/attention_kernel.cuh>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/block.cuh>
#include <fewstep/cuda/buffer.cuh>
#include <fewstep/cuda/check.cuh>
#include <fewstep/cuda/column_major.cuh>
#include <fewstep/cuda/consistency.cuh>
#include <fewstep/cuda/conv2d.cuh>
#include <fewstep/cuda/cublas.cuh>
#include <fewstep/cuda/device.cuh>
#include <fewstep/cuda/embedding.cuh>
#include <fewstep/cuda/emulated_block.cuh>
#include <fewstep/cuda/emulated_device.cuh>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/gathered_conv2d.cuh>
#include <fewstep/cuda/group_norm_block.cuh>
#include <fewstep/cuda/group_norm_kernel.cuh>
#include <fewstep/cuda/in_flight.cuh>
#include <fewstep/cuda/norm.cuh>
#include <fewstep/cuda/parameters.cuh>
#include <fewstep/cuda/preference.cuh>
#include <fewstep/cuda/product.cuh>
#include <fewstep/cuda/product_call.cuh>
#include <fewstep/cuda/product_kernel.cuh>
#include <fewstep/cuda/product_operand.cuh>
#include <fewstep/cuda/row_segments.cuh>
#include <fewstep/cuda/score.cuh>
#include <fewstep/cuda/score_row.cuh>
#include <fewstep/cuda/sum.cuh>
#include <fewstep/cuda/transition.cuh>
#include <fewstep/cuda/view.cuh>

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

#include "network_kernels.hpp"

namespace fewstep {

COMPILED_NETWORK_KERNELS(cpu_executor)

}  // namespace fewstep

#undef COMPILED_NETWORK_KERNELS
#undef COMPILED_KERNEL

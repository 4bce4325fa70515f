// SPDX-License-Identifier: Apache-2.0
#define COMPILED_KERNEL template
#include "kernels.cuh"

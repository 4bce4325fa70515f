// SPDX-License-Identifier: Apache-2.0
// The kernels for a GPU, to see what registers they take.
#include "../kernels.cuh"

template void fewstep::test::compile_kernels(fewstep::cuda_backend&);

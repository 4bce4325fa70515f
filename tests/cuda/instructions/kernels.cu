// SPDX-License-Identifier: Apache-2.0
// The kernels for the emulation, for aligned-stack.sh to look at.
#include "../kernels.cuh"

template void fewstep::test::compile_kernels(fewstep::emulated_backend&);

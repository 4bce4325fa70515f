// SPDX-License-Identifier: Apache-2.0
// A step of an optimizer on a device, the emulation unless USE_GPU is defined.
#include <fewstep/cuda/backend.cuh>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>

#include <cstdio>
#include <vector>

#if defined(USE_GPU)
using backend_type = fewstep::cuda_backend;
#else
using backend_type = fewstep::emulated_backend;
#endif

int main() {
  backend_type backend;
  std::vector<float> values{1, 2, 3}, ones{1, 1, 1};
  fewstep::tensor<float, 1, backend_type> parameters(backend, {3}), gradient(backend, {3});
  backend.copy_to_device(values.data(), parameters.data(), 3);
  backend.copy_to_device(ones.data(), gradient.data(), 3);

  const fewstep::adamw optimizer{.learning_rate = 0.5f, .weight_decay = 0};
  auto state = make_optimizer_state(optimizer, backend, 3);
  optimizer_step(optimizer, backend, state, {parameters.view(), gradient.view()}, {});
  backend.copy_to_host(parameters.data(), values.data(), 3);
  std::printf("%.3f %.3f %.3f\n", values[0], values[1], values[2]);
  return values[0] < 0.6f && values[2] > 2.4f ? 0 : 1;
}

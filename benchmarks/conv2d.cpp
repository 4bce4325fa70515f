// SPDX-License-Identifier: Apache-2.0
#include <fewstep/backend/cpu/conv2d.hpp>
#include <fewstep/testing/benchmark_run.hpp>

namespace {

using namespace fewstep;

/// 3x3 convolution of one picture on one thread, the unit of the U-Net; the arguments are side, channels in and out.
struct convolution {
  explicit convolution(const benchmark::State& state)
      : shape{1, state.range(0), state.range(0), state.range(1), state.range(2), 3, 1},
        x(backend, {shape.height * shape.width * shape.in_channels}),
        y(backend, {shape.height * shape.width * shape.out_channels}),
        weight(backend, {9 * shape.in_channels * shape.out_channels}),
        bias(backend, {shape.out_channels}) {}

  [[nodiscard]] double operations() const {
    return 2.0 * 9.0 * static_cast<double>(shape.height * shape.width * shape.in_channels * shape.out_channels);
  }

  cpu_backend backend{{.threads = 1}};
  conv2d_shape shape;
  cpu_tensor<float, 1> x, y, weight, bias;
};

void convolution_forward(benchmark::State& state) {
  convolution c(state);
  run_benchmark(state, c.backend, {.operations = c.operations()}, [&] {
    conv2d_forward(c.backend.executor(0), c.shape, c.x.data(), c.weight.data(), nullptr, c.bias.data(), nullptr,
                   c.y.data());
  });
}

void convolution_backward_input(benchmark::State& state) {
  convolution c(state);
  run_benchmark(state, c.backend, {.operations = c.operations()}, [&] {
    conv2d_backward_input(c.backend.executor(0), c.shape, c.y.data(), c.weight.data(), nullptr, c.x.data());
  });
}

void convolution_backward_weight(benchmark::State& state) {
  convolution c(state);
  run_benchmark(state, c.backend, {.operations = c.operations()}, [&] {
    conv2d_backward_weight(c.backend.executor(0), c.shape, c.x.data(), c.y.data(), c.weight.data(), c.bias.data());
  });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"side", "in", "out"})->Args({16, 48, 48})->Args({16, 96, 48})->Args({8, 96, 96})->UseRealTime();
}
BENCHMARK(convolution_forward)->Name("conv2d/forward")->Apply(shapes);
BENCHMARK(convolution_backward_input)->Name("conv2d/backward_input")->Apply(shapes);
BENCHMARK(convolution_backward_weight)->Name("conv2d/backward_weight")->Apply(shapes);

}  // namespace

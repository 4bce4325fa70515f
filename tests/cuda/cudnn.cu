// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/conv2d.cuh>
#include <fewstep/cuda/cudnn.cuh>

#include <array>
#include <utility>

using namespace fewstep;
using namespace fewstep::test;

TEST_CASE("filters are put in cuDNN's order and back", "[cuda]") {
  constexpr index_t taps = 9, in = 3, out = 5, n = taps * in * out;
  const auto weight = normals<float>(n, 1);
  std::vector<float> transposed(weight.size());
  const auto at = [](index_t tap, index_t row, index_t column, index_t rows, index_t columns) {
    return static_cast<std::size_t>((tap * rows + row) * columns + column);
  };
  for (index_t tap = 0; tap < taps; ++tap)
    for (index_t c = 0; c < in; ++c)
      for (index_t o = 0; o < out; ++o) transposed[at(tap, o, c, out, in)] = weight[at(tap, c, o, in, out)];

  emulated_backend backend;
  const auto w = to_device(backend, weight), w_t = to_device(backend, transposed);
  auto filter = to_device(backend, std::vector<float>(weight.size())),
       again = to_device(backend, std::vector<float>(weight.size()));
  backend.for_each(n, detail::reorder_filter{{taps, in, out, false}, w.data(), filter.data()});
  backend.for_each(n, detail::reorder_filter{{taps, in, out, true}, w_t.data(), again.data()});
  const auto values = to_host(backend, filter);
  for (index_t o = 0; o < out; ++o)
    for (index_t tap = 0; tap < taps; ++tap)
      for (index_t c = 0; c < in; ++c)
        CHECK(values[static_cast<std::size_t>((o * taps + tap) * in + c)] == weight[at(tap, c, o, in, out)]);
  CHECK(same_bits(to_host(backend, again), values));

  auto sum = to_device(backend, std::vector<float>(weight.size()));
  backend.for_each(n, detail::add_filter_gradient{{taps, in, out, false}, filter.data(), sum.data()});
  CHECK(same_bits(to_host(backend, sum), weight));
}

TEST_CASE("cuDNN's convolutions can be compiled and linked", "[cuda]") {
  CHECK(cudnnGetVersion() >= 90000);
  CHECK_NOTHROW(detail::cudnn_convolution{});
}

TEST_CASE("cuDNN's convolutions agree with the own ones, and with themselves to the bit", "[gpu]") {
  for (const auto& [compute, tolerance] : {std::pair{compute_type::float32, 1e-5}, {compute_type::tf32, 2e-3}}) {
    cuda_backend own, backend({.compute = compute});
    cudnn_convolutions by_cudnn(backend.device());
    for (const auto& s :
         {conv2d_shape{.samples = 3, .height = 9, .width = 8, .in_channels = 16, .out_channels = 32},
          conv2d_shape{.samples = 2, .height = 8, .width = 8, .in_channels = 8, .out_channels = 8, .stride = 2},
          conv2d_shape{.samples = 2, .height = 5, .width = 7, .in_channels = 3, .out_channels = 4, .kernel = 1}}) {
      CAPTURE(static_cast<int>(compute), s.in_channels);
      const index_t inputs = s.samples * s.height * s.width * s.in_channels;
      const index_t outputs = s.samples * s.out_height() * s.out_width() * s.out_channels;
      const index_t weights = s.kernel * s.kernel * s.in_channels * s.out_channels;
      const auto run = [&](cuda_backend& b, bool with_cudnn) {
        auto& executor = b.executor(0);
        const auto x = to_device(b, normals<float>(inputs, 1)), w = to_device(b, normals<float>(weights, 2)),
                   w_t = to_device(b, normals<float>(weights, 3)),
                   bias = to_device(b, normals<float>(s.out_channels, 4)),
                   added = to_device(b, normals<float>(outputs, 5)), gy = to_device(b, normals<float>(outputs, 6));
        auto y = to_device(b, normals<float>(outputs, 7)), gx = to_device(b, normals<float>(inputs, 8)),
             gw = to_device(b, normals<float>(weights, 9)), gb = to_device(b, normals<float>(s.out_channels, 10));
        if (with_cudnn) {
          by_cudnn.forward(executor, s, x.data(), w.data(), bias.data(), added.data(), y.data());
          by_cudnn.backward_input(executor, s, gy.data(), w_t.data(), gx.data());
          by_cudnn.backward_weight(executor, s, x.data(), gy.data(), gw.data(), gb.data());
        } else {
          conv2d_forward(executor, s, x.data(), w.data(), nullptr, bias.data(), added.data(), y.data());
          conv2d_backward_input(executor, s, gy.data(), w_t.data(), nullptr, gx.data());
          conv2d_backward_weight(executor, s, x.data(), gy.data(), gw.data(), gb.data());
        }
        return std::array{to_host(b, y), to_host(b, gx), to_host(b, gw), to_host(b, gb)};
      };
      const auto expected = run(own, false), actual = run(backend, true), again = run(backend, true);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(relative_error(actual[i], expected[i]) < tolerance);
        CHECK(same_bits(actual[i], again[i]));
      }
    }
  }
}

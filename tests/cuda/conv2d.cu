// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/backend/cpu/conv2d.hpp>
#include <fewstep/cuda/conv2d.cuh>

#include <algorithm>
#include <cmath>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using floats = std::vector<float>;

float at(const floats& values, index_t i) { return values[static_cast<std::size_t>(i)]; }

struct layer {
  conv2d_shape s;
  floats x, weight, weight_transposed, bias, added, gy;

  explicit layer(const conv2d_shape& shape) : s(shape) {
    const index_t taps = s.kernel * s.kernel, c = s.in_channels, co = s.out_channels;
    x = normals<float>(inputs() * c, 1);
    weight = normals<float>(taps * c * co, 2);
    bias = normals<float>(co, 3);
    added = normals<float>(outputs() * co, 4);
    gy = normals<float>(outputs() * co, 5);
    weight_transposed.resize(weight.size());
    for (index_t t = 0; t < taps; ++t)
      for (index_t i = 0; i < c; ++i)
        for (index_t o = 0; o < co; ++o)
          weight_transposed[static_cast<std::size_t>((t * co + o) * c + i)] = at(weight, (t * c + i) * co + o);
  }

  [[nodiscard]] index_t inputs() const { return s.samples * s.height * s.width; }
  [[nodiscard]] index_t outputs() const { return s.samples * s.out_height() * s.out_width(); }

  /// The input pixel under a tap of an output pixel, -1 outside.
  [[nodiscard]] index_t under(index_t output, index_t tap) const {
    const index_t pixels = s.out_height() * s.out_width(), sample = output / pixels, p = output % pixels;
    const index_t y = p / s.out_width() * s.stride - s.padding() + tap / s.kernel;
    const index_t column = p % s.out_width() * s.stride - s.padding() + tap % s.kernel;
    const bool inside = y >= 0 && y < s.height && column >= 0 && column < s.width;
    return inside ? (sample * s.height + y) * s.width + column : -1;
  }

  /// To the bit: one chain of fused multiply-adds over taps and channels, then the bias, then what is added.
  [[nodiscard]] floats forward(bool with_added) const {
    const index_t c = s.in_channels, co = s.out_channels;
    floats y(static_cast<std::size_t>(outputs() * co));
    for (index_t p = 0; p < outputs(); ++p)
      for (index_t o = 0; o < co; ++o) {
        float sum = 0;
        for (index_t t = 0; t < s.kernel * s.kernel; ++t)
          for (index_t i = 0; i < c; ++i)
            sum = std::fma(under(p, t) < 0 ? 0.0f : at(x, under(p, t) * c + i), at(weight, (t * c + i) * co + o), sum);
        sum += at(bias, o);
        if (with_added) sum += at(added, p * co + o);
        y[static_cast<std::size_t>(p * co + o)] = sum;
      }
    return y;
  }

  [[nodiscard]] floats backward_input() const {
    const index_t c = s.in_channels, co = s.out_channels;
    floats gx(static_cast<std::size_t>(inputs() * c));
    for (index_t t = 0; t < s.kernel * s.kernel; ++t)  // an input pixel lies under a tap of one output pixel at most
      for (index_t p = 0; p < outputs(); ++p) {
        if (under(p, t) < 0) continue;
        for (index_t i = 0; i < c; ++i) {
          float& sum = gx[static_cast<std::size_t>(under(p, t) * c + i)];
          for (index_t o = 0; o < co; ++o) sum = std::fma(at(gy, p * co + o), at(weight, (t * c + i) * co + o), sum);
        }
      }
    return gx;
  }

  [[nodiscard]] std::vector<double> backward_weight(const floats& start) const {
    const index_t c = s.in_channels, co = s.out_channels;
    std::vector<double> g(start.begin(), start.end());
    for (index_t p = 0; p < outputs(); ++p)
      for (index_t t = 0; t < s.kernel * s.kernel; ++t)
        for (index_t i = 0; under(p, t) >= 0 && i < c; ++i)
          for (index_t o = 0; o < co; ++o)
            g[static_cast<std::size_t>((t * c + i) * co + o)] +=
                static_cast<double>(at(x, under(p, t) * c + i)) * static_cast<double>(at(gy, p * co + o));
    return g;
  }
};

const std::vector<conv2d_shape> shapes{
    {.samples = 1, .height = 1, .width = 1, .in_channels = 1, .out_channels = 1},
    {.samples = 2, .height = 5, .width = 7, .in_channels = 3, .out_channels = 20},
    {.samples = 3, .height = 5, .width = 7, .in_channels = 8, .out_channels = 12},
    {.samples = 1, .height = 4, .width = 3, .in_channels = 20, .out_channels = 48},
    {.samples = 2, .height = 6, .width = 5, .in_channels = 4, .out_channels = 6, .stride = 2},
    {.samples = 2, .height = 5, .width = 8, .in_channels = 5, .out_channels = 8, .stride = 2},
    {.samples = 1, .height = 7, .width = 7, .in_channels = 4, .out_channels = 3, .kernel = 5, .stride = 3},
    {.samples = 3, .height = 3, .width = 2, .in_channels = 6, .out_channels = 8, .kernel = 1},
    {.samples = 2, .height = 5, .width = 4, .in_channels = 4, .out_channels = 4, .kernel = 1, .stride = 2}};

floats shifted(index_t offset, const floats& values) {
  floats result(static_cast<std::size_t>(offset), 7.0f);
  result.insert(result.end(), values.begin(), values.end());
  return result;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a convolution's values are chains of fused multiply-adds", "[cuda]", devices) {
  for (const auto& shape : shapes)
    for (const index_t offset : {index_t{0}, index_t{1}}) {
      const layer l(shape);
      CAPTURE(shape.height, shape.width, shape.in_channels, shape.out_channels, shape.kernel, shape.stride, offset);
      const floats plain = l.forward(false), sum = l.forward(true), gx_expected = l.backward_input();
      const auto size = static_cast<index_t>(plain.size());
      in_every_order<TestType>([&](TestType& backend) {
        auto& executor = backend.executor(0);
        const auto x = to_device(backend, shifted(offset, l.x)), w = to_device(backend, shifted(offset, l.weight)),
                   w_t = to_device(backend, shifted(offset, l.weight_transposed)),
                   bias = to_device(backend, shifted(offset, l.bias)), gy = to_device(backend, shifted(offset, l.gy)),
                   added = to_device(backend, shifted(offset, l.added));
        auto y = to_device(backend, shifted(offset, l.added));
        tensor<float, 1, TestType> gx(backend, {offset + static_cast<index_t>(l.x.size())});
        const auto forward = [&](const float* plus) {
          conv2d_forward(executor, l.s, x.data() + offset, w.data() + offset, nullptr, bias.data() + offset, plus,
                         y.data() + offset);
          return to_host(backend, y.data() + offset, size);
        };
        CHECK(same_bits(forward(y.data() + offset), sum));
        CHECK(same_bits(forward(added.data() + offset), sum));
        CHECK(same_bits(forward(nullptr), plain));
        conv2d_backward_input(executor, l.s, gy.data() + offset, w_t.data() + offset, nullptr, gx.data() + offset);
        const auto result = to_host(backend, gx.data() + offset, static_cast<index_t>(l.x.size()));
        CHECK(same_bits(result, gx_expected));
        return result;
      });
      // The CPU starts its sums from bias and added. Rounding is 6e-8 of each of up to 432 steps, of random sign.
      cpu_executor cpu;
      floats y = l.added, gx(l.x.size());
      conv2d_forward(cpu, l.s, l.x.data(), l.weight.data(), nullptr, l.bias.data(), y.data(), y.data());
      conv2d_backward_input(cpu, l.s, l.gy.data(), l.weight_transposed.data(), nullptr, gx.data());
      CHECK(relative_error(y, sum) < 1e-6);
      CHECK(relative_error(gx, gx_expected) < 1e-6);
    }
}

TEMPLATE_LIST_TEST_CASE("gradients of a convolution's weight and bias", "[cuda]", devices) {
  auto all = shapes;
  all.push_back({.samples = 17, .height = 5, .width = 7, .in_channels = 4, .out_channels = 3});   // 14 to a chunk
  all.push_back({.samples = 2, .height = 23, .width = 23, .in_channels = 3, .out_channels = 4});  // two chunks each
  for (const auto& shape : all)
    for (const index_t offset : {index_t{0}, index_t{1}}) {
      const layer l(shape);
      CAPTURE(shape.samples, shape.height, shape.width, shape.in_channels, shape.out_channels, shape.kernel,
              shape.stride, offset);
      const auto weight_start = normals<float>(static_cast<index_t>(l.weight.size()), 6);
      const auto exact = l.backward_weight(weight_start);
      floats cpu_weight = weight_start, cpu_bias = l.bias;
      cpu_executor cpu;
      conv2d_backward_weight(cpu, l.s, l.x.data(), l.gy.data(), cpu_weight.data(), cpu_bias.data());
      in_every_order<TestType>([&](TestType& backend) {
        const auto x = to_device(backend, shifted(offset, l.x)), gy = to_device(backend, shifted(offset, l.gy));
        auto gw = to_device(backend, shifted(offset, weight_start)), gb = to_device(backend, shifted(offset, l.bias));
        conv2d_backward_weight(backend.executor(0), l.s, x.data() + offset, gy.data() + offset, gw.data() + offset,
                               gb.data() + offset);
        auto result = to_host(backend, gw.data() + offset, static_cast<index_t>(weight_start.size()));
        const auto bias = to_host(backend, gb.data() + offset, l.s.out_channels);
        // Sums of up to 1104 terms of random sign, each rounded to 6e-8.
        CHECK(relative_error(result, exact) < 2e-6);
        CHECK(relative_error(result, cpu_weight) < 4e-6);
        CHECK(relative_error(bias, cpu_bias) < 4e-6);
        result.insert(result.end(), bias.begin(), bias.end());
        return result;
      });
    }
}

TEMPLATE_LIST_TEST_CASE("gradients have the same bits whether chunks of pictures come in one call or in several",
                        "[cuda]", devices) {
  for (const auto& [shape, pictures] : std::vector<std::pair<conv2d_shape, index_t>>{
           {{.samples = 17, .height = 5, .width = 7, .in_channels = 4, .out_channels = 3}, 14},
           {{.samples = 2, .height = 23, .width = 23, .in_channels = 3, .out_channels = 4}, 1}}) {
    const layer l(shape);
    CAPTURE(shape.height, shape.width);
    TestType backend;
    const auto x = to_device(backend, l.x), gy = to_device(backend, l.gy);
    const auto gradient = [&, shape = shape](index_t at_once) {
      auto gw = to_device(backend, l.weight), gb = to_device(backend, l.bias);
      for (index_t first = 0; first < shape.samples; first += at_once) {
        conv2d_shape part = shape;
        part.samples = std::min(at_once, shape.samples - first);
        conv2d_backward_weight(
            backend.executor(0), part, x.data() + first * shape.height * shape.width * shape.in_channels,
            gy.data() + first * shape.height * shape.width * shape.out_channels, gw.data(), gb.data());
      }
      auto result = to_host(backend, gw);
      const auto bias = to_host(backend, gb);
      result.insert(result.end(), bias.begin(), bias.end());
      return result;
    };
    CHECK(same_bits(gradient(shape.samples), gradient(pictures)));
  }
}

TEMPLATE_LIST_TEST_CASE("a picture has the same bits alone and in a batch", "[cuda]", devices) {
  const layer l({.samples = 5, .height = 5, .width = 7, .in_channels = 4, .out_channels = 40});
  TestType backend;
  auto& executor = backend.executor(0);
  const auto x = to_device(backend, l.x), w = to_device(backend, l.weight), bias = to_device(backend, l.bias);
  const index_t picture = 35 * 40;
  tensor<float, 1, TestType> together(backend, {5 * picture}), alone(backend, {picture});
  conv2d_forward(executor, l.s, x.data(), w.data(), nullptr, bias.data(), nullptr, together.data());
  conv2d_shape one = l.s;
  one.samples = 1;
  for (index_t i = 0; i < 5; ++i) {
    conv2d_forward(executor, one, x.data() + i * 35 * 4, w.data(), nullptr, bias.data(), nullptr, alone.data());
    CHECK(same_bits(to_host(backend, alone), to_host(backend, together.data() + i * picture, picture)));
  }
}

TEST_CASE("a divisor divides as division does", "[cuda]") {
  for (const int by : {1, 2, 3, 5, 7, 9, 35, 48, 64, 640, 641, 65535, 65536, 1000003, 1 << 30, 2147483647})
    for (const std::int64_t n :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{by} - 1, std::int64_t{by}, std::int64_t{by} + 1,
          7 * std::int64_t{by} - 1, std::int64_t{1} << 30, std::int64_t{2147483646}, std::int64_t{2147483647}}) {
      if (n > 2147483647) continue;
      CAPTURE(by, n);
      int rest = static_cast<int>(n);
      const int quotient = detail::divisor(by)(rest);
      CHECK(quotient == n / by);
      CHECK(rest == n % by);
    }
}

TEMPLATE_LIST_TEST_CASE("a convolution refuses pictures that its kernels cannot index", "[cuda]", devices) {
  TestType backend;
  const conv2d_shape s{.height = 65536, .width = 65536, .in_channels = 3, .out_channels = 4};
  CHECK_THROWS_WITH(conv2d_forward(backend.executor(0), s, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr),
                    contains("65536 x 65536"));
}

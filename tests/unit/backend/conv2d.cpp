// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/conv2d.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

using fewstep::conv2d_shape;
using fewstep::index_t;
using fewstep::test::normals;
using fewstep::test::same_bits;

namespace {

/// Calls f(weight element, input element, output element) for every product of the convolution, from its definition.
template <class F>
void for_each_product(const conv2d_shape& s, const F& f) {
  const index_t ho = s.out_height(), wo = s.out_width(), p = s.kernel / 2;
  for (index_t n = 0; n < s.samples; ++n)
    for (index_t y = 0; y < ho; ++y)
      for (index_t x = 0; x < wo; ++x)
        for (index_t ky = 0; ky < s.kernel; ++ky)
          for (index_t kx = 0; kx < s.kernel; ++kx) {
            const index_t iy = y * s.stride + ky - p, ix = x * s.stride + kx - p;
            if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
            for (index_t i = 0; i < s.in_channels; ++i)
              for (index_t o = 0; o < s.out_channels; ++o)
                f(static_cast<std::size_t>(((ky * s.kernel + kx) * s.in_channels + i) * s.out_channels + o),
                  static_cast<std::size_t>(((n * s.height + iy) * s.width + ix) * s.in_channels + i),
                  static_cast<std::size_t>(((n * ho + y) * wo + x) * s.out_channels + o));
          }
}

std::vector<conv2d_shape> shapes() {
  std::vector<conv2d_shape> all;
  for (const auto& [kernel, stride] :
       {std::pair<index_t, index_t>{1, 1}, {3, 1}, {3, 2}, {1, 2}, {5, 1}, {5, 3}, {3, 3}, {2, 2}, {4, 3}})
    for (const auto& [height, width] : {std::pair<index_t, index_t>{1, 1}, {2, 3}, {5, 7}, {8, 8}, {7, 4}})
      for (const auto& [in, out] : {std::pair<index_t, index_t>{1, 1}, {3, 5}, {12, 48}, {17, 20}})
        all.push_back({2, height, width, in, out, kernel, stride});
  for (const auto& [height, width] : {std::pair<index_t, index_t>{1, 1}, {2, 3}, {8, 8}, {9, 7}})
    for (const auto& [in, out] : {std::pair<index_t, index_t>{16, 16}, {16, 48}, {48, 32}, {80, 16}, {16, 112}})
      all.push_back({3, height, width, in, out, 3, 1});
  return all;
}

/// Sums in double precision, and how far those of a compiler's own order and contractions may be from them.
class exact_sums {
 public:
  exact_sums(std::size_t n, double start) : exact_sums(std::vector<double>(n, start)) {}
  explicit exact_sums(std::vector<double> start) : values_(std::move(start)), terms_(values_.size(), 1) {
    for (const double value : values_) magnitudes_.push_back(std::abs(value));
  }
  void add(std::size_t i, double term) {
    values_[i] += term;
    magnitudes_[i] += std::abs(term);
    ++terms_[i];
  }

  /// The largest difference, by what it may be in T: of n roundings that do not depend on each other an error above
  /// lambda sqrt(n) u sum |term| has a probability of 2 exp(-lambda^2 / 2) (Higham and Mary 2019, SIAM Journal on
  /// Scientific Computing 41(5), theorem 2.4), here 3e-8; a term is multiplied and added. (The sums of double have the
  /// same error in both.) By the largest sum of magnitudes, since Winograd's algorithm mixes neighbouring pixels.
  template <class T>
  [[nodiscard]] double error_of(const std::vector<T>& actual) const {
    constexpr double lambda = 6, unit_roundoff = std::numeric_limits<T>::epsilon() / 2;
    const double terms = 2 * static_cast<double>(*std::max_element(terms_.begin(), terms_.end()));
    const double magnitude = *std::max_element(magnitudes_.begin(), magnitudes_.end());
    const double allowed = lambda * std::sqrt(terms) * unit_roundoff * magnitude * (sizeof(T) == 8 ? 2 : 1);
    return fewstep::test::largest_difference(actual, values_) / allowed;
  }

 private:
  std::vector<double> values_, magnitudes_;
  std::vector<index_t> terms_;
};

}  // namespace

TEMPLATE_TEST_CASE("conv2d follows its definition and treats every picture by itself", "", float, double) {
  fewstep::cpu_executor executor;
  for (const auto& s : shapes()) {
    CAPTURE(s.height, s.width, s.in_channels, s.out_channels, s.kernel, s.stride);
    const index_t inputs = s.height * s.width * s.in_channels;
    const index_t outputs = s.out_height() * s.out_width() * s.out_channels;
    const index_t weights = s.kernel * s.kernel * s.in_channels * s.out_channels;
    const auto x = normals<TestType>(s.samples * inputs, 1), weight = normals<TestType>(weights, 2);
    const auto bias = normals<TestType>(s.out_channels, 3), gy = normals<TestType>(s.samples * outputs, 4);

    std::vector<double> biases;
    for (index_t i = 0; i < s.samples * outputs; ++i)
      biases.push_back(static_cast<double>(bias[static_cast<std::size_t>(i % s.out_channels)]));
    exact_sums expected(biases), expected_gx(x.size(), 0), expected_weight(weight.size(), 0.5),
        expected_bias(bias.size(), -0.25);
    for_each_product(s, [&](std::size_t w, std::size_t i, std::size_t o) {
      expected.add(o, static_cast<double>(weight[w]) * static_cast<double>(x[i]));
      expected_gx.add(i, static_cast<double>(weight[w]) * static_cast<double>(gy[o]));
      expected_weight.add(w, static_cast<double>(x[i]) * static_cast<double>(gy[o]));
    });
    for (std::size_t i = 0; i < gy.size(); ++i) expected_bias.add(i % bias.size(), static_cast<double>(gy[i]));

    std::vector<TestType> y(gy.size(), TestType(7)), gx(x.size(), TestType(7));
    std::vector<TestType> weight_gradient(weight.size(), TestType(0.5)), bias_gradient(bias.size(), TestType(-0.25));
    std::vector<TestType> transposed(weight.size());
    for (index_t tap = 0; tap < s.kernel * s.kernel; ++tap)
      for (index_t i = 0; i < s.in_channels; ++i)
        for (index_t o = 0; o < s.out_channels; ++o)
          transposed[static_cast<std::size_t>((tap * s.out_channels + o) * s.in_channels + i)] =
              weight[static_cast<std::size_t>((tap * s.in_channels + i) * s.out_channels + o)];

    fewstep::conv2d_forward(executor, s, x.data(), weight.data(), nullptr, bias.data(), nullptr, y.data());
    CHECK(expected.error_of(y) < 1);
    fewstep::conv2d_backward_input(executor, s, gy.data(), transposed.data(), nullptr, gx.data());
    CHECK(expected_gx.error_of(gx) < 1);
    fewstep::conv2d_backward_weight(executor, s, x.data(), gy.data(), weight_gradient.data(), bias_gradient.data());
    CHECK(expected_weight.error_of(weight_gradient) < 1);
    CHECK(expected_bias.error_of(bias_gradient) < 1);

    conv2d_shape second = s;
    second.samples = 1;
    std::vector<TestType> alone(static_cast<std::size_t>(std::max(inputs, outputs)));
    fewstep::conv2d_forward(executor, second, x.data() + inputs, weight.data(), nullptr, bias.data(), nullptr,
                            alone.data());
    CHECK(same_bits(alone.data(), y.data() + outputs, outputs));
    fewstep::conv2d_backward_input(executor, second, gy.data() + outputs, transposed.data(), nullptr, alone.data());
    CHECK(same_bits(alone.data(), gx.data() + inputs, inputs));

    if (!fewstep::detail::winograd_applies(s)) {  // where it does, a call adds up before it transforms back
      std::vector<TestType> cut_weight(weight.size(), TestType(0.5)), cut_bias(bias.size(), TestType(-0.25));
      for (index_t n = 0; n < s.samples; ++n)
        fewstep::conv2d_backward_weight(executor, second, x.data() + n * inputs, gy.data() + n * outputs,
                                        cut_weight.data(), cut_bias.data());
      CHECK(same_bits(cut_weight, weight_gradient));
      CHECK(same_bits(cut_bias, bias_gradient));
    }

    std::vector<TestType> prepared(static_cast<std::size_t>(fewstep::prepared_filter_factor * weights)),
        again(y.size());
    fewstep::prepare_filter(executor, s, weight.data(), prepared.data(), false);
    fewstep::conv2d_forward(executor, s, x.data(), weight.data(), prepared.data(), bias.data(), nullptr, again.data());
    CHECK(same_bits(again, y));
    again.resize(gx.size());
    fewstep::prepare_filter(executor, s, transposed.data(), prepared.data(), true);
    fewstep::conv2d_backward_input(executor, s, gy.data(), transposed.data(), prepared.data(), again.data());
    CHECK(same_bits(again, gx));

    std::vector<TestType> onto(y.size(), TestType(3));
    fewstep::conv2d_forward(executor, s, x.data(), weight.data(), nullptr, bias.data(), onto.data(), onto.data());
    for (std::size_t i = 0; i < y.size(); ++i) expected.add(i, 3);
    CHECK(expected.error_of(onto) < 1);
    const std::vector<TestType> added(y.size(), TestType(3));
    fewstep::conv2d_forward(executor, s, x.data(), weight.data(), nullptr, bias.data(), added.data(), y.data());
    CHECK(same_bits(y, onto));
  }
}

TEST_CASE("a pixel of a convolution has the same bits wherever it stands in the picture") {
  // The picture repeats with period 4 in both directions, so pixels 4 apart see the same neighbourhood.
  constexpr index_t side = 13, in = 12, out = 50;
  fewstep::cpu_executor executor;
  const auto cell = normals<float>(4 * 4 * in, 5), weight = normals<float>(9 * in * out, 6),
             bias = normals<float>(out, 7);
  std::vector<float> x(side * side * in), y(side * side * out);
  for (index_t row = 0; row < side; ++row)
    for (index_t column = 0; column < side; ++column)
      std::copy_n(cell.begin() + (row % 4 * 4 + column % 4) * in, in, x.begin() + (row * side + column) * in);
  fewstep::conv2d_forward(executor, {1, side, side, in, out}, x.data(), weight.data(), nullptr, bias.data(), nullptr,
                          y.data());
  index_t different = 0;
  for (index_t row = 1; row < side - 1; ++row)
    for (index_t column = 1; column < side - 1; ++column) {
      const index_t first = ((row - 1) % 4 + 1) * side + (column - 1) % 4 + 1;
      different += same_bits(y.data() + first * out, y.data() + (row * side + column) * out, out) ? 0 : 1;
    }
  CHECK(different == 0);
}

TEST_CASE("Winograd's algorithm is as close to the exact convolution as the plain sum in single precision") {
  const conv2d_shape s{2, 8, 8, 96, 96, 3, 1};
  REQUIRE(fewstep::detail::winograd_applies(s));
  fewstep::cpu_executor executor;
  const auto x = normals<float>(s.samples * 8 * 8 * 96, 11), weight = normals<float>(9 * 96 * 96, 12);
  std::vector<double> exact(x.size());
  std::vector<float> plain(x.size()), y(x.size()), bias(96);
  for_each_product(s, [&](std::size_t w, std::size_t i, std::size_t o) {
    exact[o] += static_cast<double>(weight[w]) * static_cast<double>(x[i]);
    plain[o] += weight[w] * x[i];
  });
  fewstep::conv2d_forward(executor, s, x.data(), weight.data(), nullptr, bias.data(), nullptr, y.data());
  const auto deviation = [&](const std::vector<float>& values) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += std::pow(static_cast<double>(values[i]) - exact[i], 2);
    return std::sqrt(sum / static_cast<double>(values.size()));
  };
  CAPTURE(deviation(y), deviation(plain));
  CHECK(deviation(y) < deviation(plain));
}

TEST_CASE("conv2d: no pictures leave the gradient of the weight as it is") {
  fewstep::cpu_executor executor;
  const auto sums_of = [&](index_t samples) {
    const std::vector<float> pictures(static_cast<std::size_t>(samples * 64 * 16), 1.0f);
    std::vector<float> weight(9 * 16 * 16, 2.0f), bias(16, 3.0f);
    const conv2d_shape s{samples, 8, 8, 16, 16, 3, 1};
    fewstep::conv2d_backward_weight(executor, s, pictures.data(), pictures.data(), weight.data(), bias.data());
    return std::pair{weight, bias};
  };
  (void)sums_of(1);  // leaves sums in the scratch memory
  const auto [weight, bias] = sums_of(0);
  CHECK(weight == std::vector<float>(9 * 16 * 16, 2.0f));
  CHECK(bias == std::vector<float>(16, 3.0f));
}

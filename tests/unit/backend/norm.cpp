// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/norm.hpp>

#include <cmath>
#include <vector>

using fewstep::activation;
using fewstep::group_norm_shape;
using fewstep::index_t;
using fewstep::norm_statistics;
using fewstep::test::normals;
using fewstep::test::relative_error;
using fewstep::test::same_bits;

namespace {

template <class T>
double at(const std::vector<T>& values, index_t i) {
  return static_cast<double>(values[static_cast<std::size_t>(i)]);
}

/// Mean and variance of the elements that `keep(i)` selects.
template <class T, class Keep>
std::pair<double, double> moments(const std::vector<T>& x, const Keep& keep) {
  double sum = 0, squares = 0, count = 0;
  for (index_t i = 0; i < static_cast<index_t>(x.size()); ++i)
    if (keep(i)) {
      sum += at(x, i);
      count += 1;
    }
  for (index_t i = 0; i < static_cast<index_t>(x.size()); ++i)
    if (keep(i)) squares += (at(x, i) - sum / count) * (at(x, i) - sum / count);
  return {sum / count, squares / count};
}

template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;

}  // namespace

TEMPLATE_TEST_CASE("group_norm_forward follows its definition and treats every sample by itself", "", float, double) {
  fewstep::cpu_executor executor;
  for (const auto& [channels, groups] : {std::pair<index_t, index_t>{1, 1}, {8, 8}, {16, 1}, {24, 4}, {40, 8}, {48, 8}})
    for (const index_t positions : {1, 12, 63})
      for (const bool conditioned : {false, true})
        for (const auto after : {activation::identity, activation::silu}) {
          CAPTURE(channels, groups, positions, conditioned, after == activation::silu);
          const group_norm_shape s{2, positions, channels, groups, after};
          const index_t size = positions * channels, width = channels / groups;
          const auto x = normals<TestType>(2 * size, 1, 2, 0.5), gamma = normals<TestType>(channels, 2, 0.2, 1);
          const auto beta = normals<TestType>(channels, 3), scale_shift = normals<TestType>(4 * channels, 4);
          std::vector<TestType> y(x.size(), TestType(9)), alone(static_cast<std::size_t>(size));
          std::vector<norm_statistics<TestType>> stats(static_cast<std::size_t>(2 * groups));
          const TestType* condition = conditioned ? scale_shift.data() : nullptr;
          fewstep::group_norm_forward(executor, s, x.data(), gamma.data(), beta.data(), condition, stats.data(),
                                      y.data());

          std::vector<double> expected(x.size());
          for (index_t n = 0; n < 2; ++n)
            for (index_t g = 0; g < groups; ++g) {
              const auto inside = [&](index_t i) { return i / size == n && i % channels / width == g; };
              const auto [mean, variance] = moments(x, inside);
              for (index_t i = 0; i < 2 * size; ++i)
                if (inside(i)) {
                  const index_t c = i % channels;
                  double h =
                      (at(x, i) - mean) / std::sqrt(variance + static_cast<double>(1e-5f)) * at(gamma, c) + at(beta, c);
                  if (conditioned)
                    h = h * (1 + at(scale_shift, n * 2 * channels + c)) + at(scale_shift, (n * 2 + 1) * channels + c);
                  expected[static_cast<std::size_t>(i)] = after == activation::silu ? h / (1 + std::exp(-h)) : h;
                }
              if (positions > 1) {
                const auto& kept = stats[static_cast<std::size_t>(n * groups + g)];
                CHECK(static_cast<double>(kept.mean) == Approx(mean).margin(1e-6));
                CHECK(static_cast<double>(kept.rstd) ==
                      Approx(1 / std::sqrt(variance + static_cast<double>(1e-5f))).epsilon(1e-5));
              }
            }
          // The offset cancels the input where a group has a single value; its rstd is 1 / sqrt(epsilon).
          const double cancelled = positions * width == 1 ? 1 / std::sqrt(1e-5) : 1;
          CHECK(relative_error(y, expected) < tolerance<TestType> * cancelled);

          group_norm_shape second = s;
          second.samples = 1;
          fewstep::group_norm_forward(executor, second, x.data() + size, gamma.data(), beta.data(),
                                      conditioned ? condition + 2 * channels : nullptr, stats.data(), alone.data());
          CHECK(same_bits(alone.data(), y.data() + size, size));
        }
}

TEST_CASE("group_norm_forward keeps its precision far from zero") {
  constexpr index_t positions = 256, channels = 16;
  fewstep::cpu_executor executor;
  const auto x = normals<float>(positions * channels, 5, 1, 100);
  const std::vector<float> gamma(channels, 1.0f), beta(channels, 0.0f);
  std::vector<norm_statistics<float>> stats(8);
  std::vector<float> y(x.size());
  fewstep::group_norm_forward(executor, {1, positions, channels, 8}, x.data(), gamma.data(), beta.data(),
                              static_cast<const float*>(nullptr), stats.data(), y.data());
  std::vector<double> expected(x.size());
  for (index_t g = 0; g < 8; ++g) {
    const auto [mean, variance] = moments(x, [&](index_t i) { return i % channels / 2 == g; });
    for (std::size_t i = 0; i < x.size(); ++i)
      if (static_cast<index_t>(i) % channels / 2 == g)
        expected[i] = (static_cast<double>(x[i]) - mean) / std::sqrt(variance + static_cast<double>(1e-5f));
  }
  CHECK(relative_error(y, expected) < 3e-5);  // 100 units in the last place of x
}

TEMPLATE_TEST_CASE("layer_norm_forward follows its definition row by row", "", float, double) {
  constexpr index_t rows = 5;
  fewstep::cpu_executor executor;
  for (const index_t channels : {2, 7, 16, 50}) {
    const auto x = normals<TestType>(rows * channels, 6, 2, 0.5), gamma = normals<TestType>(channels, 7, 0.2, 1);
    const auto beta = normals<TestType>(channels, 8);
    std::vector<TestType> y(x.size()), alone(static_cast<std::size_t>(channels));
    std::vector<norm_statistics<TestType>> stats(rows);
    const auto run = [&](index_t first, index_t count, TestType* to) {
      fewstep::layer_norm_forward(
          executor, 1e-5f, fewstep::matrix<const TestType>{x.data() + first * channels, {count, channels}},
          gamma.data(), beta.data(), stats.data(), fewstep::matrix<TestType>{to, {count, channels}});
    };
    run(0, rows, y.data());
    std::vector<double> expected(x.size());
    for (index_t r = 0; r < rows; ++r) {
      const auto [mean, variance] = moments(x, [&](index_t i) { return i / channels == r; });
      for (index_t c = 0; c < channels; ++c)
        expected[static_cast<std::size_t>(r * channels + c)] =
            (at(x, r * channels + c) - mean) / std::sqrt(variance + static_cast<double>(1e-5f)) * at(gamma, c) +
            at(beta, c);
    }
    CAPTURE(channels);
    CHECK(relative_error(y, expected) < tolerance<TestType>);
    for (index_t r = 0; r < rows; ++r) {
      run(r, 1, alone.data());
      CHECK(same_bits(alone.data(), y.data() + r * channels, channels));
    }
  }
}

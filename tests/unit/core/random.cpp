// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using fewstep::fill_normal;
using fewstep::index_t;
using fewstep::random_stream;
using fewstep::stream;

namespace {

/// Kolmogorov and Smirnov's largest distance between an empirical law and a distribution function, times sqrt(n).
template <class Distribution>
double kolmogorov_smirnov(std::vector<double> values, Distribution distribution) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = distribution(values[i]);
    distance = std::max({distance, expected - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - expected});
  }
  return distance * std::sqrt(n);
}

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

TEST_CASE("random_stream lays seed, stream, sample, step and element out in the Philox counter") {
  const random_stream source{0x1122334455667788u, stream::shuffle};
  const auto expected = fewstep::philox({9, 5, 0x89abcdefu, 0x07234567u}, {0x55667788u, 0x11223344u});
  CHECK((source.bits(0x00234567'89abcdefu, 5, 9) == expected));
  CHECK(source.word(0x00234567'89abcdefu, 5, 36) == expected.x0);
  CHECK(source.word(0x00234567'89abcdefu, 5, 37) == expected.x1);
  CHECK(source.word(0x00234567'89abcdefu, 5, 38) == expected.x2);
  CHECK(source.word(0x00234567'89abcdefu, 5, 39) == expected.x3);
}

TEST_CASE("normals follow Box and Muller in double precision") {
  const random_stream source{2024, stream::noise};
  const double turn = 2 * std::acos(-1.0);
  double worst = 0;
  for (std::uint32_t group = 0; group < 20000; ++group) {
    const auto bits = source.bits(3, 1, group);
    const auto z = source.normals(3, 1, group);
    const auto radius = [](std::uint32_t word) {
      return std::sqrt(-2 * std::log(static_cast<double>(fewstep::detail::unit_interval(word))));
    };
    const auto angle = [&](std::uint32_t word) { return turn * static_cast<double>(word >> 8) / 16777216.0; };
    worst = std::max({worst, std::abs(static_cast<double>(z.z0) - radius(bits.x0) * std::cos(angle(bits.x1))),
                      std::abs(static_cast<double>(z.z1) - radius(bits.x0) * std::sin(angle(bits.x1))),
                      std::abs(static_cast<double>(z.z2) - radius(bits.x2) * std::cos(angle(bits.x3))),
                      std::abs(static_cast<double>(z.z3) - radius(bits.x2) * std::sin(angle(bits.x3)))});
  }
  CAPTURE(worst);
  CHECK(worst < 1.5e-6);
}

TEST_CASE("an element's normal does not depend on how many are filled, nor on where they are written") {
  const random_stream source{7, stream::initial_noise};
  std::vector<float> all(1000);
  fill_normal(source, 12, 3, all.data(), 1000);
  for (const index_t n : {1, 2, 3, 5, 31, 32, 33, 63, 64, 65, 127, 128, 129, 131, 192, 193, 255, 256, 257, 999}) {
    std::vector<float> some(static_cast<std::size_t>(n) + 4, -99.0f);
    fill_normal(source, 12, 3, some.data() + 1, n);
    CAPTURE(n);
    CHECK(std::equal(some.begin() + 1, some.begin() + 1 + n, all.begin()));
    CHECK(some.front() == -99.0f);
    CHECK(some[static_cast<std::size_t>(n) + 1] == -99.0f);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    CHECK(all[i] == source.normal(12, 3, i));
  }
}

TEST_CASE("normals have the moments and the law of N(0, 1)") {
  constexpr std::size_t n = std::size_t{1} << 20;
  const random_stream source{20240401, stream::noise};
  CAPTURE(source.seed);
  std::vector<float> z(n);
  constexpr index_t dimension = 4096;
  for (std::size_t row = 0; row < n / dimension; ++row)
    fill_normal(source, row, 0, z.data() + row * dimension, dimension);
  double mean = 0, square = 0, cube = 0, fourth = 0, lag_1 = 0, next_row = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double v = z[i];
    mean += v;
    square += v * v;
    cube += v * v * v;
    fourth += v * v * v * v;
    lag_1 += v * static_cast<double>(z[(i + 1) % n]);
    next_row += v * static_cast<double>(z[(i + dimension) % n]);
  }
  // Standard errors of the six averages, times 6: false alarm about 2e-9 each.
  const auto count = static_cast<double>(n);
  const double bar = 6 / std::sqrt(count);
  CHECK(std::abs(mean / count) < bar);
  CHECK(std::abs(square / count - 1) < bar * std::sqrt(2.0));
  CHECK(std::abs(cube / count) < bar * std::sqrt(15.0));
  CHECK(std::abs(fourth / count - 3) < bar * std::sqrt(96.0));
  CHECK(std::abs(lag_1 / count) < bar);
  CHECK(std::abs(next_row / count) < bar);
  // P(sqrt(n) D > 2.8) = 2 exp(-2 * 2.8^2) = 3e-7.
  CHECK(kolmogorov_smirnov({z.begin(), z.end()}, normal_distribution) < 2.8);
}

TEST_CASE("uniforms fill the numbers above 0 and up to 1 evenly") {
  const random_stream source{99, stream::training_times};
  CAPTURE(source.seed);
  CHECK(fewstep::detail::unit_interval(0) > 0.0f);
  CHECK(fewstep::detail::unit_interval(0xffffffffu) == 1.0f);
  std::vector<double> values;
  for (std::uint64_t sample = 0; sample < 65536; ++sample)
    values.push_back(static_cast<double>(source.uniform(sample, 0, sample % 7)));
  CHECK(kolmogorov_smirnov(values, [](double u) { return u; }) < 2.8);
}

TEST_CASE("below covers its range evenly") {
  const random_stream source{5, stream::prompts};
  CAPTURE(source.seed);
  constexpr std::uint32_t bound = 45;
  constexpr int draws = 90000;
  std::vector<int> counts(bound);
  for (std::uint64_t sample = 0; sample < draws; ++sample) {
    const std::uint32_t value = source.below(bound, sample);
    REQUIRE(value < bound);
    ++counts[value];
  }
  double chi_square = 0;
  const double expected = static_cast<double>(draws) / bound;
  for (const int count : counts) chi_square += (count - expected) * (count - expected) / expected;
  CHECK(chi_square < 110.0);  // 44 degrees of freedom: P(chi^2 > 110) is about 2e-7
  CHECK(source.below(1, 17) == 0);
}

TEST_CASE("changing seed, stream, sample, step or element changes the numbers") {
  const random_stream base{1, stream::noise};
  const std::uint32_t reference = base.word(2, 3, 4);
  CHECK(reference != random_stream{2, stream::noise}.word(2, 3, 4));
  CHECK(reference != random_stream{1 + (std::uint64_t{1} << 32), stream::noise}.word(2, 3, 4));
  CHECK(reference != random_stream{1, stream::initial_noise}.word(2, 3, 4));
  CHECK(reference != base.word(3, 3, 4));
  CHECK(reference != base.word(2 + (std::uint64_t{1} << 32), 3, 4));
  CHECK(reference != base.word(2, 4, 4));
  CHECK(reference != base.word(2, 3, 5));
  CHECK(reference != base.word(2, 3, 8));
}

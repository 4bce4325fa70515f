// SPDX-License-Identifier: Apache-2.0
#include <fewstep/image/rgb.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "test.hpp"

using fewstep::index_t;

TEST_CASE("8-bit levels are the clamped and rounded values") {
  CHECK(int{fewstep::to_8_bit(-1.0f)} == 0);
  CHECK(int{fewstep::to_8_bit(1.0f)} == 255);
  CHECK(int{fewstep::to_8_bit(-1e30f)} == 0);
  CHECK(int{fewstep::to_8_bit(std::numeric_limits<float>::infinity())} == 255);
  CHECK(int{fewstep::to_8_bit(0.0f)} == 128);  // 127.5, tie to even
  for (int i = -1200; i <= 1200; ++i) {
    const float x = static_cast<float>(i) / 1000.0f;
    CAPTURE(x);
    const double level = 255.0 * (static_cast<double>(x) + 1.0) / 2.0;
    if (std::abs(level - std::floor(level) - 0.5) < 1e-3) continue;
    CHECK(int{fewstep::to_8_bit(x)} == static_cast<int>(std::clamp(std::round(level), 0.0, 255.0)));
  }
}

TEST_CASE("pictures survive conversion to samples and back") {
  fewstep::rgb_image image{16, 16, std::vector<std::uint8_t>(768)};
  std::iota(image.pixels.begin(), image.pixels.end(), std::uint8_t{0});
  std::vector<float> sample(768);
  fewstep::from_rgb(image, fewstep::as_vec(std::span(sample)));
  CHECK(sample[0] == -1.0f);
  CHECK(sample[255] == 1.0f);
  CHECK(fewstep::to_rgb(fewstep::as_vec(std::span<const float>(sample))) == image);
  CHECK_THROWS_WITH(fewstep::from_rgb(image, fewstep::as_vec(std::span(sample).first(700))),
                    contains("768") && contains("700"));

  sample[5] = std::nanf("");
  CHECK_THROWS_WITH(fewstep::to_rgb(fewstep::as_vec(std::span<const float>(sample))), contains("value 5 of sample 0"));
}

TEST_CASE("the size of a picture is deduced or checked") {
  using fewstep::picture_size;
  CHECK(fewstep::picture_size_of(3072) == picture_size{32, 32});
  CHECK(fewstep::picture_size_of(3) == picture_size{1, 1});
  CHECK(fewstep::picture_size_of(18, 2) == picture_size{2, 3});
  CHECK(fewstep::picture_size_of(18, 0, 6) == picture_size{1, 6});
  CHECK(fewstep::picture_size_of(18, 3, 2) == picture_size{3, 2});
  for (const auto [values, height, width] : {std::array<index_t, 3>{18, 0, 0},
                                             {18, 4, 0},
                                             {18, 0, 7},
                                             {18, 3, 3},
                                             {18, -2, -3},
                                             {16, 0, 0},
                                             {0, 0, 0},
                                             {18, 2, 1}}) {
    CAPTURE(values, height, width);
    CHECK_THROWS_AS(fewstep::picture_size_of(values, height, width), std::invalid_argument);
  }
}

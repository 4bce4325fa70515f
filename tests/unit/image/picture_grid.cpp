// SPDX-License-Identifier: Apache-2.0
#include <fewstep/image/picture_grid.hpp>

#include <cmath>
#include <string>
#include <vector>

#include "test.hpp"

namespace {

using fewstep::index_t;
using fewstep::matrix;

/// The red channel as a drawing: '.' for 255, else the level / 51 as a digit.
std::vector<std::string> drawing(const fewstep::rgb_image& image) {
  std::vector<std::string> lines;
  for (index_t y = 0; y < image.height; ++y) {
    std::string line;
    for (index_t x = 0; x < image.width; ++x) {
      const int level = image.pixels[static_cast<std::size_t>((y * image.width + x) * 3)];
      line += level == 255 ? '.' : static_cast<char>('0' + level / 51);
    }
    lines.push_back(line);
  }
  return lines;
}

/// Three 1 x 2 pictures of the levels 0 1, 2 3, 4 0 (times 51).
std::vector<float> three_pictures() {
  std::vector<float> values;
  for (const int level : {0, 1, 2, 3, 4, 0}) values.insert(values.end(), 3, static_cast<float>(level) * 0.4f - 1.0f);
  return values;
}

}  // namespace

TEST_CASE("a grid lays samples out row by row on white") {
  const auto values = three_pictures();
  const matrix<const float> samples(values.data(), {3, 6});
  CHECK(drawing(fewstep::picture_grid(samples, 1, 2, 2, {.padding = 1})) ==
        std::vector<std::string>{".......", ".01.23.", ".......", ".40....", "......."});
  CHECK(drawing(fewstep::picture_grid(samples, 2, 1, 3, {.padding = 0})) == std::vector<std::string>{"024", "130"});
  CHECK(drawing(fewstep::picture_grid(samples, 1, 2, 3, {.padding = 1, .scale = 2})) ==
        std::vector<std::string>{"................", ".0011.2233.4400.", ".0011.2233.4400.", "................"});
  const auto plain = fewstep::picture_grid(samples, 1, 2, 5);
  CHECK(plain.height == 5);
  CHECK(plain.width == 5 * 4 + 2);
}

TEST_CASE("a grid refuses what it cannot draw") {
  auto values = three_pictures();
  const matrix<const float> samples(values.data(), {3, 6});
  CHECK_THROWS_WITH(fewstep::picture_grid(samples, 0, 0, 2), contains("not a square"));
  CHECK_THROWS_WITH(fewstep::picture_grid(samples, 1, 2, 0), contains("columns is 0"));
  CHECK_THROWS_WITH(fewstep::picture_grid(samples, 1, 2, 1, {.scale = 0}), contains("scale is 0"));
  CHECK_THROWS_WITH(fewstep::picture_grid(samples, 1, 2, fewstep::index_t{1} << 62),
                    contains("4611686018427387904 pictures of 1 x 2"));
  CHECK_THROWS_WITH(fewstep::picture_grid(samples, 1, 2, 1, {.scale = fewstep::index_t{1} << 61}),
                    contains("use fewer columns or a smaller scale"));
  CHECK_THROWS_WITH(fewstep::picture_grid({values.data(), {0, 6}}, 1, 2, 1), contains("no samples"));
  values[13] = std::nanf("");
  CHECK_THROWS_WITH(fewstep::picture_grid(samples, 1, 2, 1), contains("value 1 of sample 2"));
}

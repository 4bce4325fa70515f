// SPDX-License-Identifier: Apache-2.0
// What is read from PNG and JPEG files of every kind against Pillow (tests/data/pictures.safetensors).
#include <fewstep/image/jpeg.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/io/safetensors.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "png_file.hpp"
#include "test.hpp"

namespace {

using fewstep::rgb_image;

const fewstep::safetensors_file& reference() {
  static const auto file = fewstep::safetensors_file::load(std::filesystem::path(__FILE__).parent_path() /
                                                           "../../data/pictures.safetensors");
  return file;
}

rgb_image expected(const std::string& name) {
  const auto shape = reference().shape(name + ".rgb");
  const auto bytes = reference().bytes(name + ".rgb");
  rgb_image image{shape[0], shape[1], {}};
  for (const auto byte : bytes) image.pixels.push_back(std::to_integer<std::uint8_t>(byte));
  return image;
}

std::span<const unsigned char> jpeg_bytes(const std::string& name) {
  const auto file = reference().bytes(name + ".file");
  return {reinterpret_cast<const unsigned char*>(file.data()), file.size()};
}

/// Names of the files of one kind whose picture is known.
std::vector<std::string> names_of(const std::string& kind) {
  std::vector<std::string> names;
  for (const auto& tensor : reference().names())
    if (tensor.starts_with(kind) && tensor.ends_with(".rgb")) names.push_back(tensor.substr(0, tensor.size() - 4));
  return names;
}

}  // namespace

TEST_CASE("PNG files of every kind are what Pillow shows of them on white") {
  CHECK(names_of("png.").size() == 64);
  for (const auto& name : names_of("png.")) {
    CAPTURE(name);
    CHECK(fewstep::decode_png(reference().bytes(name + ".file"), name) == expected(name));
  }
}

TEST_CASE("JPEG files in grey or colour are what Pillow shows of them and CMYK is refused") {
  CHECK(names_of("jpeg.").size() == 9);
  for (const auto& name : names_of("jpeg.")) {
    CAPTURE(name);
    CHECK(fewstep::jpeg_decode(jpeg_bytes(name)) == expected(name));
  }
  CHECK_THROWS_WITH(fewstep::jpeg_decode(jpeg_bytes("jpeg.cmyk")), contains("CMYK") && contains("convert it to RGB"));
}

TEST_CASE("stored PNG levels are blended as they are whatever gamma the file names") {
  const auto of = [](const std::string& name) {
    return fewstep::decode_png(reference().bytes("png." + name + ".file"));
  };
  CHECK(of("black_at_alpha_128").pixels == std::vector<std::uint8_t>{127, 127, 127});
  CHECK(of("128_with_gamma_1").pixels == std::vector<std::uint8_t>{128, 128, 128});

  // Row a, column i: level 15 i with alpha a. The blend rounds (15 i a + 255 (255 - a)) / 255 to the nearest level.
  const auto blended = of("every_alpha");
  REQUIRE(blended.height == 256);
  REQUIRE(blended.width == 18);
  for (int a = 0; a < 256; ++a)
    for (int i = 0; i < 18; ++i) {
      CAPTURE(a, i);
      const int level = (15 * i * a + 255 * (255 - a) + 127) / 255;
      CHECK(blended.pixels[static_cast<std::size_t>((a * 18 + i) * 3)] == level);
    }
}

TEST_CASE("16-bit PNG levels are rounded to the nearest of 8 bits") {
  // Grey levels 0 ... 65535 of step 97 in two rows, filter type 0 and no compression, as the specification lays them
  // out.
  std::string rows;
  std::vector<int> levels;
  for (int y = 0; y < 2; ++y) {
    rows += '\0';
    for (int x = 0; x < 338; ++x) {
      const int level = (y * 338 + x) * 97 % 65536;
      levels.push_back(level);
      rows += static_cast<char>(level / 256);
      rows += static_cast<char>(level % 256);
    }
  }
  const auto picture = fewstep::decode_png(fewstep::test::png_file(2, 338, 16, 0, rows));
  REQUIRE(picture.pixels.size() == 2 * 338 * 3);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    CAPTURE(levels[i]);
    CHECK(picture.pixels[3 * i] == (levels[i] * 255 + 32767) / 65535);
  }
}

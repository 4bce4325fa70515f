// SPDX-License-Identifier: Apache-2.0
#include <fewstep/image/png.hpp>

#include <unistd.h>

#include <array>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "png_file.hpp"
#include "test.hpp"

namespace {

namespace fs = std::filesystem;
using fewstep::rgb_image;

struct scratch_folder {
  fs::path path = fs::temp_directory_path() / ("fewstep-png-" + std::to_string(::getpid()));
  scratch_folder() { fs::create_directories(path); }
  ~scratch_folder() { fs::remove_all(path); }
};

rgb_image noise(int height, int width, unsigned seed) {
  std::mt19937 engine(seed);
  rgb_image image{height, width, {}};
  for (int i = 0; i < height * width * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(engine() & 255u));
  return image;
}

std::vector<std::byte> from_hex(const std::string& digits) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::string text_of(const rgb_image& image) {
  std::string text = std::to_string(image.height) + "x" + std::to_string(image.width);
  for (const auto value : image.pixels) text.append(" ").append(std::to_string(value));
  return text;
}

// Pictures of 1 x 2 pixels written by Pillow 13.0.0: the signature and header up to the size are common.
const std::string begin = "89504e470d0a1a0a0000000d494844520000000200000001";
const std::string end = "0000000049454e44ae426082";
const std::string grey = begin + "0800000000d14920560000000b49444154789c63e03a010000df00d34b21a549" + end;
const std::string rgba = begin + "0806000000f4227f8a0000001149444154789c63e41291fbcfc0c0c00800069e013e436d4865" + end;
const std::string palette =
    begin + "0103000000ceecedc900000006504c5445010203fa963251d11cfe0000000a49444154789c63700000004200412937f4ef" + end;
const std::string grey16 = begin + "100000000081d9fc150000000d49444154789c6310103871020002cd01b14e7150b1" + end;
const std::string bilevel = begin + "0100000000dc5942270000000a49444154789c63700000004200412937f4ef" + end;

}  // namespace

TEST_CASE("PNG files keep every pixel") {
  const scratch_folder folder;
  for (const auto [height, width] : {std::array{1, 1}, {3, 5}, {32, 32}, {67, 13}}) {
    CAPTURE(height, width);
    const auto image = noise(height, width, 11);
    const auto path = folder.path / "picture.png";
    fewstep::save_png(path, image);
    CHECK(fewstep::load_png(path) == image);
    fewstep::save_png(path, noise(height, width, 12));
    CHECK(fewstep::load_png(path) == noise(height, width, 12));
  }
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("PNG files of other colour types become RGB, transparency becomes white") {
  CHECK(text_of(fewstep::decode_png(from_hex(grey))) == "1x2 10 10 10 200 200 200");
  CHECK(text_of(fewstep::decode_png(from_hex(rgba))) == "1x2 10 20 30 255 255 255");
  CHECK(text_of(fewstep::decode_png(from_hex(palette))) == "1x2 1 2 3 250 150 50");
  CHECK(text_of(fewstep::decode_png(from_hex(grey16))) == "1x2 16 16 16 200 200 200");
  CHECK(text_of(fewstep::decode_png(from_hex(bilevel))) == "1x2 0 0 0 255 255 255");
}

TEST_CASE("a PNG file that is cut or changed anywhere is refused") {
  const auto image = noise(5, 7, 13);
  for (const auto& file : {fewstep::encode_png(image), from_hex(palette), from_hex(rgba)}) {
    CHECK_NOTHROW(fewstep::decode_png(file));
    for (std::size_t at = 0; at < file.size(); ++at) {
      CAPTURE(file.size(), at);
      CHECK_THROWS_AS(fewstep::decode_png(std::span(file).first(at)), std::runtime_error);
      auto changed = file;
      changed[at] ^= std::byte{0x10};
      CHECK_THROWS_AS(fewstep::decode_png(changed), std::runtime_error);
    }
  }
}

TEST_CASE("PNG errors name the file and the reason") {
  const scratch_folder folder;
  const auto path = folder.path / "torn.png";
  CHECK_THROWS_WITH(fewstep::load_png(path), contains("torn.png"));
  const auto whole = fewstep::encode_png(noise(5, 7, 13));
  fewstep::write_atomically(path, std::span(whole).first(60));
  CHECK_THROWS_WITH(fewstep::load_png(path), contains("torn.png") && contains("60 bytes"));
  CHECK_THROWS_WITH(fewstep::save_png(path, {2, 2, std::vector<std::uint8_t>(11)}),
                    contains("2 x 2") && contains("11 bytes"));
  CHECK_THROWS_AS(fewstep::save_png(path, {}), std::invalid_argument);
  CHECK_THROWS_WITH(fewstep::save_png(folder.path / "missing" / "a.png", noise(1, 1, 1)), contains("a.png"));
}

TEST_CASE("the header of a PNG file alone does not make room for a picture beyond the limit") {
  const auto bomb = fewstep::test::png_file(60000, 60000, 8, 2, "");
  CHECK(bomb.size() < 100);
  CHECK_THROWS_WITH(fewstep::decode_png(bomb, "bomb.png"),
                    contains("bomb.png") && contains("60000 x 60000 = 3600000000 pixels") &&
                        contains("the limit is 8388608") && contains("raise picture_limits::pixels"));
  const auto largest = fewstep::test::png_file(2147483647u, 2147483647u, 8, 2, "");
  CHECK_THROWS_WITH(fewstep::decode_png(largest), contains("2147483647 x 2147483647 = 4611686014132420609"));

  const auto file = fewstep::encode_png(noise(5, 7, 13));
  CHECK_THROWS_WITH(fewstep::decode_png(file, "small.png", {.pixels = 34}), contains("5 x 7 = 35"));
  CHECK(fewstep::decode_png(file, "small.png", {.pixels = 35}) == noise(5, 7, 13));
  const scratch_folder folder;
  const auto path = folder.path / "picture.png";
  fewstep::save_png(path, noise(5, 7, 13));
  CHECK_THROWS_WITH(fewstep::load_png(path, {.pixels = 34}), contains("picture.png"));
  CHECK(fewstep::load_png(path, {.pixels = 35}) == noise(5, 7, 13));

  // Beyond the default and beyond libpng's own million to a side, but within a raised limit.
  const auto wide = fewstep::test::png_file(1, 9000000, 8, 0, std::string(60000, '\0'));
  CHECK_THROWS_WITH(fewstep::decode_png(wide), contains("1 x 9000000"));
  CHECK_THROWS_WITH(fewstep::decode_png(wide, "png", {.pixels = 9000000}), contains("not a whole PNG picture"));
}

TEST_CASE("pictures whose size overflows are refused") {
  const auto huge = fewstep::index_t{1} << 62;
  CHECK_THROWS_AS(fewstep::encode_png({huge, 4, std::vector<std::uint8_t>(12)}), std::invalid_argument);
  CHECK_THROWS_AS(fewstep::encode_png({-2, -2, std::vector<std::uint8_t>(12)}), std::invalid_argument);
}

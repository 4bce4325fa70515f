// SPDX-License-Identifier: Apache-2.0
#include <fewstep/image/jpeg.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "test.hpp"

namespace {

using fewstep::index_t;
using fewstep::rgb_image;

/// Pictures from integer arithmetic, so that another program can make the same ones.
rgb_image picture(int kind, std::uint32_t height, std::uint32_t width) {
  rgb_image image{height, width, {}};
  for (std::uint32_t y = 0; y < height; ++y)
    for (std::uint32_t x = 0; x < width; ++x)
      for (std::uint32_t c = 0; c < 3; ++c) {
        std::uint32_t v = 255;
        if (kind == 1) v = (7 * x + 3 * y + 50 * c) % 256;
        if (kind == 2) v = (x / 4 + y / 4) % 2 == 1 ? 230 - 40 * c : 20 + 30 * c;
        if (kind == 3) {
          v = ((y * width + x) * 3 + c) * 2654435761u + 12345u;
          v ^= v >> 15;
          v *= 2246822519u;
          v ^= v >> 13;
          v &= 255;
        }
        if (kind == 4) v = std::min(255u, (x * x + y * y) / 8 + 20 * c);
        image.pixels.push_back(static_cast<std::uint8_t>(v));
      }
  return image;
}

std::uint64_t fnv1a(std::span<const unsigned char> bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211u;
  return hash;
}

struct golden {
  int kind;
  std::uint32_t height, width;
  int quality;
  std::size_t bytes;
  std::uint64_t hash;
};

// Pillow 13.0.0 (libjpeg-turbo 3.2.0): Image.fromarray(picture).save(stream, format="JPEG", quality=quality).
constexpr golden pillow[] = {{0, 32, 32, 95, 643, 0x0f3f31d17cb53c36u},  {1, 32, 32, 95, 1302, 0xf3ef3fea65f0792fu},
                             {2, 32, 32, 95, 1333, 0xbfff932bffeb369fu}, {3, 32, 32, 95, 1828, 0x0013c843c2997bd3u},
                             {4, 32, 32, 95, 828, 0x57971e9aa9873632u},  {1, 17, 45, 95, 1187, 0xc95c6779f98bcc33u},
                             {3, 17, 45, 75, 1220, 0x17c70081adee8301u}, {4, 64, 48, 95, 1098, 0x7ef2671b2704e7d8u},
                             {2, 1, 1, 95, 634, 0x9e00753a39848566u},    {3, 8, 8, 1, 636, 0x65eb6215db2975bbu},
                             {3, 64, 64, 100, 8729, 0x4bb4aed851290d9eu}};

}  // namespace

TEST_CASE("JPEG bytes are those of Pillow, also from a reused encoder") {
  fewstep::jpeg_encoder encoder;
  for (int pass = 0; pass < 2; ++pass)
    for (const golden& expected : pillow) {
      CAPTURE(pass, expected.kind, expected.height, expected.width, expected.quality);
      const auto bytes = encoder.encode(picture(expected.kind, expected.height, expected.width), expected.quality);
      CHECK(bytes.size() == expected.bytes);
      CHECK(fnv1a(bytes) == expected.hash);
    }
}

TEST_CASE("a JPEG larger than the buffer at the start is the same as one from a buffer that has grown") {
  const auto large = picture(3, 200, 300);
  fewstep::jpeg_encoder encoder;
  const auto view = encoder.encode(large, 100);
  const std::vector<unsigned char> first(view.begin(), view.end());
  CHECK(first.size() > 100000);
  const auto again = encoder.encode(large, 100);
  CHECK(std::equal(first.begin(), first.end(), again.begin(), again.end()));
  CHECK(fewstep::jpeg_decode(again).pixels.size() == large.pixels.size());
}

TEST_CASE("a smooth picture survives encoding and decoding") {
  fewstep::jpeg_encoder encoder;
  const auto original = picture(4, 40, 24);
  const auto decoded = fewstep::jpeg_decode(encoder.encode(original, 95));
  REQUIRE(decoded.height == 40);
  REQUIRE(decoded.width == 24);
  double sum = 0;
  for (std::size_t i = 0; i < decoded.pixels.size(); ++i) sum += std::abs(decoded.pixels[i] - original.pixels[i]);
  CHECK(sum / static_cast<double>(decoded.pixels.size()) < 2.0);
}

TEST_CASE("what libjpeg refuses becomes an exception with its message, and the encoder stays usable") {
  fewstep::jpeg_encoder encoder;
  const std::vector<std::uint8_t> line(65501 * 3);
  CHECK_THROWS_WITH(encoder.encode(line, 1, 65501), contains("65500") && contains("1 x 65501"));
  CHECK(encoder.encode(picture(0, 32, 32)).size() == 643);

  CHECK_THROWS_WITH(encoder.encode(line, 2, 65501), contains("2 x 65501") && contains("there are 196503 bytes"));
  CHECK_THROWS_WITH(encoder.encode(picture(0, 8, 8), 0), contains("quality is 0"));
  CHECK_THROWS_AS(encoder.encode(rgb_image{}), std::invalid_argument);
}

TEST_CASE("damaged JPEG data is refused") {
  fewstep::jpeg_encoder encoder;
  const auto bytes = encoder.encode(picture(3, 32, 32));
  for (std::size_t kept = 1; kept < bytes.size(); kept += 7) {
    CAPTURE(kept);
    CHECK_THROWS_AS(fewstep::jpeg_decode(bytes.first(kept)), std::runtime_error);
  }
  CHECK_THROWS_WITH(fewstep::jpeg_decode(bytes.first(2 * bytes.size() / 3)), contains("Premature end"));
  CHECK_THROWS_AS(fewstep::jpeg_decode({}), std::invalid_argument);
  std::vector<unsigned char> text{'h', 'e', 'l', 'l', 'o'};
  CHECK_THROWS_WITH(fewstep::jpeg_decode(text), contains("Not a JPEG file"));
}

TEST_CASE("the header of a JPEG file alone does not make room for a picture beyond the limit") {
  fewstep::jpeg_encoder encoder;
  const auto small = encoder.encode(picture(3, 32, 32));
  std::vector<unsigned char> bomb(small.begin(), small.end());
  const unsigned char frame[] = {0xff, 0xc0, 0, 17, 8};
  const auto size = std::search(bomb.begin(), bomb.end(), std::begin(frame), std::end(frame)) + 5;
  REQUIRE(size < bomb.end());
  for (int i : {0, 1, 2, 3}) size[i] = i % 2 == 0 ? 0xff : 0x00;  // 65280 x 65280
  CHECK_THROWS_WITH(fewstep::jpeg_decode(bomb), contains("65280 x 65280 = 4261478400 pixels") &&
                                                    contains("the limit is 8388608") &&
                                                    contains("raise picture_limits::pixels"));
  CHECK_THROWS_WITH(fewstep::jpeg_decode(small, {.pixels = 1023}), contains("32 x 32 = 1024"));
  CHECK(fewstep::jpeg_decode(small, {.pixels = 1024}).width == 32);
}

TEST_CASE("a JPEG file that repeats its picture in more than 100 scans is refused") {
  // A progressive file of 8 x 8 grey pixels: its first scan, of the mean alone, is repeated.
  const auto file = [](int scans) {
    std::vector<unsigned char> bytes{0xff, 0xd8, 0xff, 0xdb, 0, 67, 0};
    bytes.insert(bytes.end(), 64, 1);
    for (const int byte : {0xff, 0xc2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0})
      bytes.push_back(static_cast<unsigned char>(byte));
    for (const int byte : {0xff, 0xc4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
      bytes.push_back(static_cast<unsigned char>(byte));
    // All bits of the mean, as zero; the format lets a file say them again.
    for (int i = 0; i < scans; ++i)
      for (const int byte : {0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0x7f})
        bytes.push_back(static_cast<unsigned char>(byte));
    bytes.push_back(0xff);
    bytes.push_back(0xd9);
    return bytes;
  };
  CHECK_NOTHROW(fewstep::jpeg_decode(file(1)));
  CHECK_THROWS_WITH(fewstep::jpeg_decode(file(101)), contains("more than 100 scans"));
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/image/rgb.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/file.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <png.h>
#include <zlib.h>

namespace fewstep {
namespace detail {

/// libpng's own handle, freed on every way out.
struct png_handle {
  png_image image{};

  png_handle() { image.version = PNG_IMAGE_VERSION; }
  png_handle(const png_handle&) = delete;
  png_handle& operator=(const png_handle&) = delete;
  ~png_handle() { png_image_free(&image); }
};

/// Throws std::runtime_error unless every chunk up to the closing IEND is there and has the checksum it should.
/// libpng itself stops looking once it has the last pixel. Source: PNG specification, 5.3 "Chunk layout".
inline void require_whole_png(std::span<const std::byte> file, std::string_view name) {
  const auto fail = [&](const auto&... what) {
    throw std::runtime_error(message(name, ": not a whole PNG file of ", file.size(), " bytes: ", what...));
  };
  const auto* bytes = reinterpret_cast<const png_byte*>(file.data());
  constexpr std::size_t signature = 8;
  if (file.size() < signature || png_sig_cmp(bytes, 0, signature) != 0) fail("it does not begin like one");

  for (std::size_t at = signature;;) {
    constexpr std::size_t around = 12;  // length, type, checksum
    if (file.size() - at < around) fail("it ends inside the chunk at byte ", at);
    const std::size_t length = png_get_uint_32(bytes + at);
    if (file.size() - at - around < length) fail("it ends inside the chunk at byte ", at);
    const png_byte* type = bytes + at + 4;
    const auto checked = static_cast<uInt>(length + 4);
    if (::crc32(0, type, checked) != png_get_uint_32(type + checked)) fail("the chunk at byte ", at, " is damaged");
    if (std::string_view(reinterpret_cast<const char*>(type), 4) == "IEND") return;
    at += around + length;
  }
}

}  // namespace detail

/// The picture in a PNG file's bytes, of any colour type and depth; transparency is laid on white.
/// Damaged or cut data is refused whole: std::runtime_error with the reason, beginning with `name`.
[[nodiscard]] inline rgb_image decode_png(std::span<const std::byte> file, std::string_view name = "png") {
  detail::require_whole_png(file, name);
  detail::png_handle png;
  const auto check = [&](int succeeded) {
    if (succeeded == 0 || PNG_IMAGE_FAILED(png.image))
      throw std::runtime_error(message(name, ": not a whole PNG picture of ", file.size(),
                                       " bytes: ", static_cast<const char*>(png.image.message)));
  };
  check(png_image_begin_read_from_memory(&png.image, file.data(), file.size()));
  png.image.format = PNG_FORMAT_RGB;
  png.image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  rgb_image picture{static_cast<index_t>(png.image.height), static_cast<index_t>(png.image.width), {}};
  picture.pixels.resize(static_cast<std::size_t>(picture.height * picture.width * 3));
  const png_color white{255, 255, 255};
  check(png_image_finish_read(&png.image, &white, picture.pixels.data(), 0, nullptr));
  return picture;
}

/// The bytes of an 8-bit RGB PNG file.
[[nodiscard]] inline std::vector<std::byte> encode_png(const rgb_image& picture) {
  detail::expect_whole(picture);
  detail::png_handle png;
  png.image.height = static_cast<png_uint_32>(picture.height);
  png.image.width = static_cast<png_uint_32>(picture.width);
  png.image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png.image);
  std::vector<std::byte> file(size);
  if (png_image_write_to_memory(&png.image, file.data(), &size, 0, picture.pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(message("png: cannot encode a picture of ", picture.height, " x ", picture.width, ": ",
                                     static_cast<const char*>(png.image.message)));
  file.resize(size);
  return file;
}

/// Reads a PNG file as decode_png does; the errors name the file.
[[nodiscard]] inline rgb_image load_png(const std::filesystem::path& path) {
  return decode_png(read_file(path), path.string());
}

/// Writes a PNG file aside and renames it, so that a reader sees the old picture or the new one.
inline void save_png(const std::filesystem::path& path, const rgb_image& picture) {
  write_atomically(path, encode_png(picture));
}

}  // namespace fewstep

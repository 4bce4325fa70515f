// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/image/rgb.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/file.hpp>

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <png.h>

namespace fewstep {
namespace detail {

/// One decompression; the steps lie apart so that the picture can be allocated between them.
/// libpng reports an error by a call that must not return. It is left by longjmp, from frames that hold nothing with
/// a destructor, and becomes an exception above them.
class png_decoder {
 public:
  explicit png_decoder(std::span<const std::byte> file) : rest_(file) {}
  png_decoder(const png_decoder&) = delete;
  png_decoder& operator=(const png_decoder&) = delete;
  ~png_decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  [[nodiscard]] rgb_image decode(std::string_view name, picture_limits limits) {
    const std::size_t size = rest_.size();
    const auto check = [&](bool succeeded) {
      if (!succeeded)
        throw std::runtime_error(message(name, ": not a whole PNG picture of ", size, " bytes: ", +text_));
    };
    check(read_header());
    rgb_image picture{png_get_image_height(png_, info_), png_get_image_width(png_, info_), {}};
    const std::size_t pixels = pixels_of(picture.height, picture.width, limits, name);
    picture.pixels.resize(3 * pixels);
    if (is_opaque()) {
      check(read_pixels(picture.pixels.data()));
      return picture;
    }
    std::vector<std::uint8_t> rgba(4 * pixels);
    check(read_pixels(rgba.data()));
    const std::uint8_t* from = rgba.data();
    for (std::uint8_t *to = picture.pixels.data(), *end = to + 3 * pixels; to != end; to += 3, from += 4)
      for (std::size_t c = 0; c < 3; ++c) to[c] = on_white(from[c], from[3]);
    return picture;
  }

 private:
  [[noreturn]] static void fail(png_structp png, png_const_charp text) {
    auto* self = static_cast<png_decoder*>(png_get_error_ptr(png));
    std::snprintf(self->text_, sizeof(self->text_), "%s", text);
    std::longjmp(self->jump_, 1);
  }
  static void pass_over(png_structp, png_const_charp) {}

  static void take(png_structp png, png_bytep to, std::size_t count) {
    auto& rest = static_cast<png_decoder*>(png_get_io_ptr(png))->rest_;
    if (rest.size() < count) png_error(png, "it ends too early");
    std::memcpy(to, rest.data(), count);
    rest = rest.subspan(count);
  }

  /// (level alpha + 255 (255 - alpha)) / 255 to the nearest integer.
  [[nodiscard]] static std::uint8_t on_white(unsigned level, unsigned alpha) {
    const unsigned sum = level * alpha + 255 * (255 - alpha) + 128;
    return static_cast<std::uint8_t>((sum + (sum >> 8)) >> 8);
  }

  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, pass_over);
    if (png_ == nullptr) return false;
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) return false;
    png_set_read_fn(png_, this, take);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    // All chunks but those of the pixels: they are checked for damage, and neither stored nor unpacked.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // picture_limits bounds the product
    png_read_info(png_, info_);
    return true;
  }

  [[nodiscard]] bool is_opaque() const {
    return (png_get_color_type(png_, info_) & PNG_COLOR_MASK_ALPHA) == 0 &&
           png_get_valid(png_, info_, PNG_INFO_tRNS) == 0;
  }

  /// Into RGB where the picture is opaque, into RGBA where it is not.
  bool read_pixels(std::uint8_t* pixels) {
    if (setjmp(jump_) != 0) return false;
    png_set_expand(png_);  // palettes, few bits, transparent colours
    png_set_gray_to_rgb(png_);
    png_set_scale_16(png_);
    const auto passes = static_cast<std::size_t>(png_set_interlace_handling(png_));
    png_read_update_info(png_, info_);
    const std::size_t row = png_get_rowbytes(png_, info_), height = png_get_image_height(png_, info_);
    if (row != std::size_t{is_opaque() ? 3u : 4u} * png_get_image_width(png_, info_))
      png_error(png_, "its rows are of another size");
    for (std::size_t i = 0; i < passes * height; ++i) png_read_row(png_, pixels + i % height * row, nullptr);
    png_read_end(png_, nullptr);  // up to the closing chunk, so that a cut file is seen
    return true;
  }

  std::span<const std::byte> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  char text_[128] = "out of memory";
};

/// libpng's own handle of a picture to write, freed on every way out.
struct png_image_handle {
  png_image image{};

  png_image_handle() { image.version = PNG_IMAGE_VERSION; }
  png_image_handle(const png_image_handle&) = delete;
  png_image_handle& operator=(const png_image_handle&) = delete;
  ~png_image_handle() { png_image_free(&image); }
};

}  // namespace detail

/// The picture in a PNG file's bytes, of any colour type and depth. Stored levels are taken as sRGB, whatever the file
/// says of gamma, primaries and profile, and transparency is blended with white as they are stored: what Pillow and
/// browsers show. Levels of 16 bits are rounded to 8. An orientation (EXIF) is left to the caller.
/// Damaged or cut data is refused whole: std::runtime_error with the reason, beginning with `name`.
[[nodiscard]] inline rgb_image decode_png(std::span<const std::byte> file, std::string_view name = "png",
                                          picture_limits limits = {}) {
  return detail::png_decoder(file).decode(name, limits);
}

/// The bytes of an 8-bit RGB PNG file.
[[nodiscard]] inline std::vector<std::byte> encode_png(const rgb_image& picture) {
  detail::expect_whole(picture);
  detail::png_image_handle png;
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
[[nodiscard]] inline rgb_image load_png(const std::filesystem::path& path, picture_limits limits = {}) {
  return decode_png(read_file(path), path.string(), limits);
}

/// Writes a PNG file aside and renames it, so that a reader sees the old picture or the new one.
inline void save_png(const std::filesystem::path& path, const rgb_image& picture) {
  write_atomically(path, encode_png(picture));
}

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/image/rgb.hpp>

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <jpeglib.h>

namespace fewstep {
namespace detail {

/// libjpeg reports an error by a call that must not return. It is left by longjmp, from frames that hold nothing with
/// a destructor, and becomes an exception above them. Warnings (damaged data) count as errors.
struct jpeg_errors {
  jpeg_error_mgr manager{};  // first: libjpeg's pointer to it is a pointer to the whole
  std::jmp_buf jump{};
  char text[JMSG_LENGTH_MAX]{};

  static void fail(j_common_ptr info) {
    auto* self = reinterpret_cast<jpeg_errors*>(info->err);
    self->manager.format_message(info, self->text);
    std::longjmp(self->jump, 1);
  }
  [[noreturn]] static void fail_with(j_common_ptr info, const char* text) {
    auto* self = reinterpret_cast<jpeg_errors*>(info->err);
    std::snprintf(self->text, sizeof(self->text), "%s", text);
    std::longjmp(self->jump, 1);
  }
  static void report(j_common_ptr info, int level) {
    if (level < 0) fail(info);
  }
  jpeg_error_mgr* install() {
    jpeg_std_error(&manager);
    manager.error_exit = fail;
    manager.emit_message = report;
    return &manager;
  }
};

/// Where libjpeg writes: a buffer that grows and is kept.
struct jpeg_sink {
  jpeg_destination_mgr manager{};  // first, as above
  std::vector<unsigned char> bytes = std::vector<unsigned char>(std::size_t{1} << 14);

  static void start(j_compress_ptr info) {
    auto* self = reinterpret_cast<jpeg_sink*>(info->dest);
    self->manager.next_output_byte = self->bytes.data();
    self->manager.free_in_buffer = self->bytes.size();
  }
  static boolean grow(j_compress_ptr info) {
    auto* self = reinterpret_cast<jpeg_sink*>(info->dest);
    const std::size_t used = self->bytes.size();
    if (!self->try_resize(2 * used)) {
      info->err->msg_code = 0;
      info->err->error_exit(reinterpret_cast<j_common_ptr>(info));
    }
    self->manager.next_output_byte = self->bytes.data() + used;
    self->manager.free_in_buffer = used;
    return TRUE;
  }
  static void finish(j_compress_ptr) {}

  bool try_resize(std::size_t size) {
    try {
      bytes.resize(size);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  [[nodiscard]] std::span<const unsigned char> written() const {
    return {bytes.data(), bytes.size() - manager.free_in_buffer};
  }
};

}  // namespace detail

/// The quality at which the compression tasks are published (Black et al. 2023, arXiv:2305.13301).
inline constexpr int published_jpeg_quality = 95;

/// Compresses pictures in memory: baseline JPEG, 4:2:0, the standard Huffman tables, a JFIF header; byte for byte what
/// Pillow's save(format="JPEG", quality=...) writes with the same libjpeg-turbo.
/// The compressor and its buffer are reused. Not for several threads at once; one each.
class jpeg_encoder {
 public:
  jpeg_encoder() : state_(std::make_unique<state>()) {}

  /// `rgb` is [height, width, 3]; quality is 1 to 100. The bytes returned stay valid until the next call.
  /// Throws std::invalid_argument for wrong arguments and std::runtime_error with libjpeg's message.
  [[nodiscard]] std::span<const unsigned char> encode(std::span<const std::uint8_t> rgb, index_t height, index_t width,
                                                      int quality = published_jpeg_quality) & {
    expects(quality >= 1 && quality <= 100, [&] {
      return message("jpeg: quality is ", quality, "; use 1 to 100 (", published_jpeg_quality,
                     " is the published one)");
    });
    expects(detail::holds_picture(rgb.size(), height, width), [&] {
      return message("jpeg: a picture of ", height, " x ", width, " needs three bytes for each pixel and at least one ",
                     "pixel, but there are ", rgb.size(), " bytes");
    });
    if (!compress(*state_, rgb.data(), height, width, quality))
      throw std::runtime_error(message("jpeg: cannot encode a picture of ", height, " x ", width, ": ",
                                       static_cast<const char*>(state_->errors.text)));
    return state_->sink.written();
  }

  [[nodiscard]] std::span<const unsigned char> encode(const rgb_image& image, int quality = published_jpeg_quality) & {
    return encode(image.pixels, image.height, image.width, quality);
  }

  needs_a_named_object encode(std::span<const std::uint8_t>, index_t, index_t, int = 0) && = delete;
  needs_a_named_object encode(const rgb_image&, int = 0) && = delete;

 private:
  struct state {
    detail::jpeg_errors errors;
    detail::jpeg_sink sink;
    jpeg_compress_struct info{};

    state() {
      info.err = errors.install();
      if (!create(*this)) throw std::runtime_error(message("jpeg: cannot start: ", +errors.text));
      sink.manager.init_destination = detail::jpeg_sink::start;
      sink.manager.empty_output_buffer = detail::jpeg_sink::grow;
      sink.manager.term_destination = detail::jpeg_sink::finish;
      info.dest = &sink.manager;
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() { jpeg_destroy_compress(&info); }
  };

  static bool create(state& s) {
    if (setjmp(s.errors.jump) != 0) return false;
    jpeg_create_compress(&s.info);
    s.info.in_color_space = JCS_RGB;
    s.info.input_components = 3;
    jpeg_set_defaults(&s.info);
    return true;
  }

  static bool compress(state& s, const std::uint8_t* rgb, index_t height, index_t width, int quality) {
    if (setjmp(s.errors.jump) != 0) {
      jpeg_abort_compress(&s.info);
      return false;
    }
    s.info.image_height = static_cast<JDIMENSION>(height);
    s.info.image_width = static_cast<JDIMENSION>(width);
    jpeg_set_quality(&s.info, quality, TRUE);
    jpeg_start_compress(&s.info, TRUE);
    while (s.info.next_scanline < s.info.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(rgb + std::size_t{s.info.next_scanline} * s.info.image_width * 3);
      jpeg_write_scanlines(&s.info, &row, 1);
    }
    jpeg_finish_compress(&s.info);
    return true;
  }

  std::unique_ptr<state> state_;
};

namespace detail {

/// One decompression; the three steps lie apart so that the pixels can be allocated between them.
class jpeg_decoder {
 public:
  jpeg_decoder() { info_.err = errors_.install(); }
  jpeg_decoder(const jpeg_decoder&) = delete;
  jpeg_decoder& operator=(const jpeg_decoder&) = delete;
  ~jpeg_decoder() { jpeg_destroy_decompress(&info_); }

  [[nodiscard]] rgb_image decode(std::span<const unsigned char> jpeg, picture_limits limits) {
    const auto check = [&](bool succeeded) {
      if (!succeeded)
        throw std::runtime_error(message("jpeg: cannot decode these ", jpeg.size(), " bytes: ", +errors_.text));
    };
    check(read_header(jpeg.data(), jpeg.size()));
    rgb_image image{info_.image_height, info_.image_width, {}};
    image.pixels.resize(3 * pixels_of(image.height, image.width, limits, "jpeg"));
    check(read_pixels(image.pixels.data()));
    return image;
  }

 private:
  /// A file may say the same pixels again and again, each time in a few bytes that cost a pass over the whole picture;
  /// encoders of progressive files write about ten scans.
  static constexpr int most_scans = 100;

  static void count_scans(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > most_scans)
      jpeg_errors::fail_with(info, "it has more than 100 scans, which no encoder writes");
  }

  bool read_header(const unsigned char* jpeg, std::size_t size) {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, jpeg, size);
    jpeg_read_header(&info_, TRUE);
    const auto colours = info_.jpeg_color_space;
    if (colours != JCS_GRAYSCALE && colours != JCS_YCbCr && colours != JCS_RGB)
      jpeg_errors::fail_with(reinterpret_cast<j_common_ptr>(&info_),
                             "it is neither grey nor RGB (CMYK, of a press?); convert it to RGB first");
    return true;
  }

  bool read_pixels(std::uint8_t* pixels) {
    if (setjmp(errors_.jump) != 0) return false;
    info_.out_color_space = JCS_RGB;
    progress_.progress_monitor = count_scans;
    info_.progress = &progress_;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = pixels + std::size_t{info_.output_scanline} * info_.output_width * 3;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  jpeg_errors errors_;
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
};

}  // namespace detail

/// The picture in a JPEG stream, grey or in colour, baseline or progressive; what Pillow shows of it, with the same
/// libjpeg-turbo to the byte. CMYK is refused; an orientation (EXIF) and a colour profile are left to the caller.
/// Damaged or cut data is refused whole: std::runtime_error with libjpeg's message.
[[nodiscard]] inline rgb_image jpeg_decode(std::span<const unsigned char> jpeg, picture_limits limits = {}) {
  expects(!jpeg.empty(), "jpeg: there are no bytes to decode; was the file empty?");
  return detail::jpeg_decoder().decode(jpeg, limits);
}

}  // namespace fewstep

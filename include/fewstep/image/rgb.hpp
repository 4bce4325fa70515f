// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace fewstep {

/// A picture of 8-bit red, green, blue pixels, row by row from the top left: [height, width, 3].
struct rgb_image {
  index_t height = 0;
  index_t width = 0;
  std::vector<std::uint8_t> pixels;

  friend bool operator==(const rgb_image&, const rgb_image&) = default;
};

/// What the readers of picture files take. The first bytes of a file decide how much memory its picture needs, so the
/// size is checked before anything is allocated.
struct picture_limits {
  /// Height times width. The default is eight pictures of 1024 x 1024: reading as many takes less than 100 MB, whatever
  /// the file.
  index_t pixels = index_t{1} << 23;
};

struct picture_size {
  index_t height = 0;
  index_t width = 0;

  friend bool operator==(const picture_size&, const picture_size&) = default;
};

/// Height and width of a picture of `values` = height * width * 3 numbers. Both 0: a square. One 0: the other decides.
/// Throws std::invalid_argument where that does not come out even.
[[nodiscard]] inline picture_size picture_size_of(index_t values, index_t height = 0, index_t width = 0) {
  expects(values > 0 && values % 3 == 0, [&] {
    return message("picture: a sample has ", values, " values; an RGB picture has height * width * 3 of them");
  });
  expects(height >= 0 && width >= 0,
          [&] { return message("picture: height ", height, " and width ", width, " must not be negative"); });
  const index_t area = values / 3;
  if (height == 0 && width == 0) {
    const auto side = static_cast<index_t>(std::llround(std::sqrt(static_cast<double>(area))));
    expects(side * side == area, [&] {
      return message("picture: a sample of ", values, " values has ", area,
                     " pixels, which is not a square; set height and width");
    });
    return {side, side};
  }
  const picture_size size{height != 0 ? height : area / width, width != 0 ? width : area / height};
  expects(size.height > 0 && size.width > 0 && area % size.height == 0 && area / size.height == size.width, [&] {
    return message("picture: height ", height, " and width ", width, " do not fit a sample of ", values,
                   " values, which has ", area, " pixels");
  });
  return size;
}

/// clamp(round(255 (x + 1) / 2)) for x in [-1, 1], ties to even: what rounding to 8 bit does in NumPy and PyTorch.
/// NaN gives 0.
[[nodiscard]] inline std::uint8_t to_8_bit(float x) {
  const float level = 255.0f * (0.5f * x + 0.5f);
  const float clamped = level > 0.0f ? (level < 255.0f ? level : 255.0f) : 0.0f;
  constexpr float to_integer = 8388608.0f;  // 2^23: adding it leaves no fraction bits
  return static_cast<std::uint8_t>(static_cast<int>((clamped + to_integer) - to_integer));
}

/// Converts samples of one size, e.g. a [D] row in [-1, 1] to D bytes.
/// Throws std::runtime_error naming `index` and the place of the first value that is NaN or infinite.
inline void to_8_bit(std::span<const float> sample, std::span<std::uint8_t> bytes, index_t index = 0) {
  expects(sample.size() == bytes.size(), [&] {
    return message("to_8_bit: ", sample.size(), " values do not fit into ", bytes.size(), " bytes; give both one size");
  });
  for (std::size_t i = 0; i < sample.size(); ++i)
    if (!std::isfinite(sample[i]))
      throw std::runtime_error(message("picture: value ", i, " of sample ", index, " is ", sample[i],
                                       "; a picture must be finite: look for a diverged generator"));
  for (std::size_t i = 0; i < sample.size(); ++i) bytes[i] = to_8_bit(sample[i]);
}

/// The picture of one sample [H*W*3] in [-1, 1]; height and width as in picture_size_of.
[[nodiscard]] inline rgb_image to_rgb(vec<const float> sample, index_t height = 0, index_t width = 0) {
  const picture_size size = picture_size_of(sample.size(), height, width);
  rgb_image image{size.height, size.width, std::vector<std::uint8_t>(static_cast<std::size_t>(sample.size()))};
  to_8_bit(as_span(sample), image.pixels);
  return image;
}

/// The inverse: x = 2 p / 255 - 1 for each 8-bit level p, into a sample [H*W*3].
inline void from_rgb(const rgb_image& image, vec<float> sample) {
  expects(sample.size() == static_cast<index_t>(image.pixels.size()), [&] {
    return message("from_rgb: a picture of ", image.height, " x ", image.width, " has ", image.pixels.size(),
                   " values but the sample has room for ", sample.size());
  });
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    sample[static_cast<index_t>(i)] = 2.0f * static_cast<float>(image.pixels[i]) / 255.0f - 1.0f;
}

namespace detail {

/// Whether `bytes` are the three of each pixel of that size; no product is formed that could overflow.
[[nodiscard]] inline bool holds_picture(std::size_t bytes, index_t height, index_t width) {
  return height > 0 && width > 0 && bytes % 3 == 0 && bytes / 3 % static_cast<std::size_t>(width) == 0 &&
         bytes / 3 / static_cast<std::size_t>(width) == static_cast<std::size_t>(height);
}

inline void expect_whole(const rgb_image& image) {
  expects(holds_picture(image.pixels.size(), image.height, image.width), [&] {
    return message("picture: ", image.height, " x ", image.width,
                   " pixels need three bytes each and at least one pixel", ", but there are ", image.pixels.size(),
                   " bytes");
  });
}

/// The number of pixels of a picture that a file announces, whose sides are below 2^31.
/// Throws std::runtime_error beginning with `name` if the limits do not allow as many.
[[nodiscard]] inline std::size_t pixels_of(index_t height, index_t width, picture_limits limits,
                                           std::string_view name) {
  if (height * width > limits.pixels)
    throw std::runtime_error(message(name, ": the picture has ", height, " x ", width, " = ", height * width,
                                     " pixels and the limit is ", limits.pixels,
                                     "; if the file is right, raise picture_limits::pixels"));
  return static_cast<std::size_t>(height * width);
}

}  // namespace detail
}  // namespace fewstep

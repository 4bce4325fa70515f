// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/image/rgb.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fewstep {

struct grid_style {
  index_t padding = 2;  ///< white pixels between pictures and around them
  index_t scale = 1;    ///< each pixel becomes a square of this side
};

/// Samples [N, height*width*3] in [-1, 1] side by side on white, row by row, `columns` to a row; height and width as in
/// picture_size_of. Cells that are left over stay white.
/// Throws std::runtime_error naming the sample that is not finite.
[[nodiscard]] inline rgb_image picture_grid(matrix<const float> samples, index_t height, index_t width, index_t columns,
                                            grid_style style = {}) {
  expects(samples.rows() > 0, "picture_grid: there are no samples; give at least one");
  expects(columns >= 1, [&] { return message("picture_grid: columns is ", columns, "; use at least 1"); });
  expects(style.padding >= 0 && style.scale >= 1, [&] {
    return message("picture_grid: padding is ", style.padding, " and scale is ", style.scale,
                   "; use a padding of at least 0 and a scale of at least 1");
  });
  const picture_size size = picture_size_of(samples.cols(), height, width);
  const index_t rows = (samples.rows() - 1) / columns + 1;
  const auto length = [&](index_t cells, index_t side) {
    return static_cast<double>(cells) *
               (static_cast<double>(side) * static_cast<double>(style.scale) + static_cast<double>(style.padding)) +
           static_cast<double>(style.padding);
  };
  const double height_needed = length(rows, size.height), width_needed = length(columns, size.width);
  constexpr double most = 2147483647;  // pixels; so a side is within what PNG allows, too
  expects(height_needed * width_needed <= most, [&] {
    return message("picture_grid: ", rows, " x ", columns, " pictures of ", size.height, " x ", size.width,
                   " with scale ", style.scale, " and padding ", style.padding, " make ", height_needed, " x ",
                   width_needed, " pixels; use fewer columns or a smaller scale");
  });
  const picture_size cell{size.height * style.scale, size.width * style.scale};
  const picture_size step{cell.height + style.padding, cell.width + style.padding};

  rgb_image grid{rows * step.height + style.padding, columns * step.width + style.padding, {}};
  grid.pixels.assign(static_cast<std::size_t>(grid.height * grid.width * 3), std::uint8_t{255});
  std::vector<std::uint8_t> picture(static_cast<std::size_t>(samples.cols()));
  for (index_t i = 0; i < samples.rows(); ++i) {
    to_8_bit(std::span<const float>(samples.row(i), picture.size()), picture, i);
    const index_t top = style.padding + i / columns * step.height;
    const index_t left = style.padding + i % columns * step.width;
    for (index_t y = 0; y < cell.height; ++y)
      for (index_t x = 0; x < cell.width; ++x) {
        const auto* from = picture.data() + (y / style.scale * size.width + x / style.scale) * 3;
        std::copy_n(from, 3, grid.pixels.data() + ((top + y) * grid.width + left + x) * 3);
      }
  }
  return grid;
}

}  // namespace fewstep

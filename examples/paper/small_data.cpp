// SPDX-License-Identifier: Apache-2.0
#include "small_data.hpp"

#include <fewstep/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace paper {

using fewstep::index_t;

namespace {

constexpr std::size_t channels = 3, row = channels * static_cast<std::size_t>(emoji_data::side);

/// Calls visit(index into the small picture, index of the first of its four pixels in the large one).
template <class Visit>
void for_each_value(const Visit& visit) {
  std::size_t i = 0;
  for (std::size_t y = 0; y < static_cast<std::size_t>(emoji_data::side); y += 2)
    for (std::size_t x = 0; x < row; x += 2 * channels)
      for (std::size_t c = 0; c < channels; ++c) visit(i++, y * row + x + c);
}

/// Whether a picture is one of 32 x 32; throws for what is neither that nor 16 x 16.
bool is_large(std::span<const float> picture) {
  const auto values = static_cast<index_t>(picture.size());
  fewstep::expects(values == small_size || values == emoji_data::picture_size, [&] {
    return fewstep::message("a picture has ", values, " values; the pictures here are 16 x 16 or 32 x 32, ", small_size,
                            " or ", emoji_data::picture_size, " values");
  });
  return values == emoji_data::picture_size;
}

}  // namespace

fewstep::index_t side_of(fewstep::index_t values) {
  return static_cast<fewstep::index_t>(std::lround(std::sqrt(static_cast<double>(values) / channels)));
}

void reduce(std::span<const float> picture, std::span<float> out) {
  if (is_large(out)) {
    std::copy(picture.begin(), picture.end(), out.begin());
    return;
  }
  for_each_value([&](std::size_t i, std::size_t j) {
    out[i] = 0.25f * (picture[j] + picture[j + channels] + picture[j + row] + picture[j + row + channels]);
  });
}

void enlarge(std::span<const float> picture, std::span<float> out) {
  if (is_large(picture)) {
    std::copy(picture.begin(), picture.end(), out.begin());
    return;
  }
  for_each_value([&](std::size_t i, std::size_t j) {
    out[j] = out[j + channels] = out[j + row] = out[j + row + channels] = picture[i];
  });
}

void enlarge_backward(std::span<const float> large, std::span<float> gradient) {
  if (is_large(gradient)) {
    std::copy(large.begin(), large.end(), gradient.begin());
    return;
  }
  for_each_value([&](std::size_t i, std::size_t j) {
    gradient[i] = large[j] + large[j + channels] + large[j + row] + large[j + row + channels];
  });
}

void small_examples::operator()(std::int64_t step, fewstep::matrix<float> x, std::span<fewstep::token_list> contexts) {
  large_.resize(static_cast<std::size_t>(x.rows() * emoji_data::picture_size));
  const fewstep::matrix<float> large{large_.data(), {x.rows(), emoji_data::picture_size}};
  source_(step, large, contexts);
  for (index_t i = 0; i < x.rows(); ++i)
    reduce({large.row(i), static_cast<std::size_t>(emoji_data::picture_size)},
           {x.row(i), static_cast<std::size_t>(small_size)});
}

}  // namespace paper

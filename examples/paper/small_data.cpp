// SPDX-License-Identifier: Apache-2.0
#include "small_data.hpp"

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

}  // namespace

void halve(std::span<const float> picture, std::span<float> small) {
  for_each_value([&](std::size_t i, std::size_t j) {
    small[i] = 0.25f * (picture[j] + picture[j + channels] + picture[j + row] + picture[j + row + channels]);
  });
}

void redouble(std::span<const float> small, std::span<float> picture) {
  for_each_value([&](std::size_t i, std::size_t j) {
    picture[j] = picture[j + channels] = picture[j + row] = picture[j + row + channels] = small[i];
  });
}

void small_examples::operator()(std::int64_t step, fewstep::matrix<float> x, std::span<fewstep::token_list> contexts) {
  large_.resize(static_cast<std::size_t>(x.rows() * emoji_data::picture_size));
  const fewstep::matrix<float> large{large_.data(), {x.rows(), emoji_data::picture_size}};
  source_(step, large, contexts);
  for (index_t i = 0; i < x.rows(); ++i)
    halve({large.row(i), static_cast<std::size_t>(emoji_data::picture_size)},
          {x.row(i), static_cast<std::size_t>(picture_size)});
}

}  // namespace paper

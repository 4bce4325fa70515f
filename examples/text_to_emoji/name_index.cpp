// SPDX-License-Identifier: Apache-2.0
#include "name_index.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace text_to_emoji {

name_index::name_index(const emoji_data& data) : data_(&data), reduced_(data.captions.size() * size_) {
  for (std::size_t i = 0; i < data.captions.size(); ++i)
    reduce(data.picture(static_cast<std::int32_t>(i)), reduced_.data() + i * size_);
}

void name_index::reduce(std::span<const float> picture, float* reduced) {
  constexpr std::size_t side = static_cast<std::size_t>(emoji_data::side), row = 3 * side;
  for (std::size_t y = 0; y < side; y += 2)
    for (std::size_t x = 0; x < row; x += 6)
      for (std::size_t c = 0; c < 3; ++c) {
        const float* corner = picture.data() + y * row + x + c;
        *reduced++ = 0.25f * (corner[0] + corner[3] + corner[row] + corner[row + 3]);
      }
}

std::vector<float> name_index::distances(std::span<const float> picture, std::string_view left_out_style) const {
  std::array<float, size_> mine{};
  reduce(picture, mine.data());
  std::vector<float> nearest(data_->names.size(), std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < data_->captions.size(); ++i) {
    if (data_->captions[i].style == left_out_style) continue;
    constexpr std::size_t lanes = 16;
    std::array<float, lanes> sums{};
    const float* other = reduced_.data() + i * size_;
    for (std::size_t j = 0; j < size_; j += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const float difference = mine[j + lane] - other[j + lane];
        sums[lane] += difference * difference;
      }
    float sum = 0;
    for (const float part : sums) sum += part;
    float& of_name = nearest[static_cast<std::size_t>(data_->captions[i].name)];
    of_name = std::min(of_name, sum);
  }
  return nearest;
}

bool name_index::is_near(std::span<const float> distances, std::int32_t name) {
  const float own = distances[static_cast<std::size_t>(name)];
  return std::count_if(distances.begin(), distances.end(), [&](float other) { return other < own; }) < 5;
}

}  // namespace text_to_emoji

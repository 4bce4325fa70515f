// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emoji_data.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace text_to_emoji {

/// Which names' pictures a picture looks like: pixel distance at 16 x 16, that of a name being the smallest over its
/// pictures.
class name_index {
 public:
  explicit name_index(const emoji_data& data);

  /// Squared distance of a picture [32 * 32 * 3] to every name; pictures of `left_out_style` do not count.
  [[nodiscard]] std::vector<float> distances(std::span<const float> picture,
                                             std::string_view left_out_style = {}) const;

  /// Whether the name is among the five nearest.
  [[nodiscard]] static bool is_near(std::span<const float> distances, std::int32_t name);

 private:
  static constexpr std::size_t size_ = 3 * 16 * 16;
  static void reduce(std::span<const float> picture, float* reduced);

  const emoji_data* data_;
  std::vector<float> reduced_;
};

}  // namespace text_to_emoji

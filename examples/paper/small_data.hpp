// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text_to_emoji/emoji_data.hpp"

#include <fewstep/core/view.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace paper {

using text_to_emoji::emoji_data;

/// The pictures of text_to_emoji, 2 x 2 pixels averaged: side 16.
inline constexpr fewstep::index_t small_side = emoji_data::side / 2, small_size = 3 * small_side * small_side;

/// Noise levels of both models.
inline constexpr float sigma_data = 0.5f, sigma_min = 0.01f, sigma_max = 40.0f;

/// Side of a square picture of so many values.
[[nodiscard]] fewstep::index_t side_of(fewstep::index_t values);

/// A picture [32, 32, 3] at the size of `out`: itself, or the means of its 2 x 2 pixels for [16, 16, 3].
void reduce(std::span<const float> picture, std::span<float> out);
/// The other way: a picture of either size as one [32, 32, 3], pixels of the small one repeated.
void enlarge(std::span<const float> picture, std::span<float> out);
/// The gradient by the picture, of what has `large` as its gradient by the picture enlarged.
void enlarge_backward(std::span<const float> large, std::span<float> gradient);

/// The training batches of text_to_emoji at 16 x 16: the same pictures, mirrored and captioned by the same draws.
class small_examples {
 public:
  small_examples(const emoji_data& data, std::uint64_t seed) : source_(data, seed) {}

  void operator()(std::int64_t step, fewstep::matrix<float> x, std::span<fewstep::token_list> contexts);

 private:
  text_to_emoji::emoji_examples source_;
  std::vector<float> large_;
};

}  // namespace paper

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
inline constexpr fewstep::index_t side = emoji_data::side / 2, picture_size = 3 * side * side;

/// Noise levels of both models.
inline constexpr float sigma_data = 0.5f, sigma_min = 0.01f, sigma_max = 40.0f;

/// Averages 2 x 2 pixels of a picture [32, 32, 3] to one [16, 16, 3], and repeats them the other way.
void halve(std::span<const float> picture, std::span<float> small);
void redouble(std::span<const float> small, std::span<float> picture);

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

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../text_to_emoji/emoji_data.hpp"

#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <cstdint>
#include <span>

namespace reward_models {

/// The whole caption of a picture: style, category and the words of the name.
[[nodiscard]] fewstep::token_list caption_tokens(const text_to_emoji::emoji_data& data, std::int32_t picture);
/// The words of a name, which is how the generator is prompted.
[[nodiscard]] fewstep::token_list name_tokens(const text_to_emoji::emoji_data& data, std::int32_t name);

/// Training pictures in the states a generator may leave them in: mirrored, moved by up to two pixels, with more or
/// less ink, blurred, noisy. Of the captions the style is left out 40 %, the category 50 % and each word of the name
/// 10 % of the time, but never all words.
class varied_examples {
 public:
  varied_examples(const text_to_emoji::emoji_data& data, std::uint64_t seed)
      : data_(&data), source_{seed, fewstep::stream::data} {}

  void operator()(std::int64_t step, fewstep::matrix<float> x, std::span<fewstep::token_list> contexts) const;

 private:
  void vary(std::uint64_t sample, std::span<const float> picture, float* x) const;
  [[nodiscard]] fewstep::token_list shortened(std::uint64_t sample, std::int32_t picture) const;

  const text_to_emoji::emoji_data* data_;
  fewstep::random_stream source_;
};

}  // namespace reward_models

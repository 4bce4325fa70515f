// SPDX-License-Identifier: Apache-2.0
#include "varied_examples.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace reward_models {
namespace {

using fewstep::index_t;
using fewstep::token_list;
constexpr index_t side = text_to_emoji::emoji_data::side, size = text_to_emoji::emoji_data::picture_size;

/// What the numbers of a sample are for; each use has its own step of the stream.
enum draw : std::uint32_t { of_picture, of_words, of_geometry, of_ink, of_noise };

token_list tokens_of(const fewstep::vocabulary& words, std::span<const std::string> texts) {
  token_list tokens;
  for (std::size_t i = 0; i < std::min(texts.size(), tokens.ids.size()); ++i) tokens.ids[i] = words.token(texts[i]);
  return tokens;
}

std::vector<std::string> words_of_name(const text_to_emoji::emoji_data& data, std::int32_t name) {
  return fewstep::vocabulary::split(data.names[static_cast<std::size_t>(name)]);
}

/// The mean of the pixels around each, mixed into it.
void blur(float* x, float share) {
  std::array<float, static_cast<std::size_t>(size)> sharp{};
  std::copy_n(x, size, sharp.begin());
  const auto at = [&](index_t row, index_t column, index_t c) {
    row = std::clamp<index_t>(row, 0, side - 1);
    column = std::clamp<index_t>(column, 0, side - 1);
    return sharp[static_cast<std::size_t>((row * side + column) * 3 + c)];
  };
  for (index_t row = 0; row < side; ++row)
    for (index_t column = 0; column < side; ++column)
      for (index_t c = 0; c < 3; ++c) {
        float sum = 0;
        for (index_t v = -1; v <= 1; ++v)
          for (index_t u = -1; u <= 1; ++u) sum += at(row + v, column + u, c);
        float& pixel = x[(row * side + column) * 3 + c];
        pixel += share * (sum / 9.0f - pixel);
      }
}

}  // namespace

token_list caption_tokens(const text_to_emoji::emoji_data& data, std::int32_t picture) {
  const auto& c = data.captions[static_cast<std::size_t>(picture)];
  auto words = words_of_name(data, c.name);
  words.insert(words.begin(), {c.style, c.category});
  return tokens_of(data.words, words);
}

token_list name_tokens(const text_to_emoji::emoji_data& data, std::int32_t name) {
  return tokens_of(data.words, words_of_name(data, name));
}

void varied_examples::operator()(std::int64_t step, fewstep::matrix<float> x, std::span<token_list> contexts) const {
  const auto pictures = static_cast<std::uint32_t>(data_->training.size());
  for (index_t i = 0; i < x.rows(); ++i) {
    const auto sample = static_cast<std::uint64_t>(step * x.rows() + i);
    const std::int32_t picture = data_->training[source_.below(pictures, sample, of_picture)];
    vary(sample, data_->picture(picture), x.row(i));
    contexts[static_cast<std::size_t>(i)] = shortened(sample, picture);
  }
}

void varied_examples::vary(std::uint64_t sample, std::span<const float> picture, float* x) const {
  const auto moved = [&](std::uint64_t axis) {
    return static_cast<index_t>(source_.below(5, sample, of_geometry, axis)) - 2;
  };
  const index_t down = moved(0), right = moved(1);
  const bool mirrored = source_.below(2, sample, of_geometry, 2) == 1;
  const float ink = 0.75f + 0.5f * source_.uniform(sample, of_ink, 0);
  for (index_t row = 0; row < side; ++row)
    for (index_t column = 0; column < side; ++column) {
      const index_t from_row = row - down, unmoved = column - right;
      const index_t from_column = mirrored ? side - 1 - unmoved : unmoved;
      const bool inside = from_row >= 0 && from_row < side && from_column >= 0 && from_column < side;
      for (index_t c = 0; c < 3; ++c) {
        const float value = inside ? picture[static_cast<std::size_t>((from_row * side + from_column) * 3 + c)] : 1.0f;
        x[(row * side + column) * 3 + c] = std::max(-1.0f, 1.0f - ink * (1.0f - value));
      }
    }
  if (source_.uniform(sample, of_ink, 1) <= 0.4f) blur(x, source_.uniform(sample, of_ink, 2));
  if (source_.uniform(sample, of_ink, 3) > 0.5f) return;
  const float deviation = 0.2f * source_.uniform(sample, of_ink, 4);
  std::array<float, static_cast<std::size_t>(size)> noise{};
  fewstep::fill_normal(source_, sample, of_noise, noise.data(), size);
  for (index_t i = 0; i < size; ++i)
    x[i] = std::clamp(x[i] + deviation * noise[static_cast<std::size_t>(i)], -1.0f, 1.0f);
}

token_list varied_examples::shortened(std::uint64_t sample, std::int32_t picture) const {
  const auto& c = data_->captions[static_cast<std::size_t>(picture)];
  std::uint64_t draws = 0;
  std::vector<std::string> kept;
  const auto keep = [&](const std::string& word, float dropped) {
    if (source_.uniform(sample, of_words, draws++) > dropped) kept.push_back(word);
  };
  keep(c.style, 0.4f);
  keep(c.category, 0.5f);
  for (const std::string& word : words_of_name(*data_, c.name)) keep(word, 0.1f);
  return kept.empty() ? name_tokens(*data_, c.name) : tokens_of(data_->words, kept);
}

}  // namespace reward_models

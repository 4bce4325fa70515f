// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/image/png.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace text_to_emoji {

/// One captioned picture.
struct caption {
  std::int32_t name;  ///< index into emoji_data::names
  std::string style, category;
};

/// 1,353 pictures of 451 names in three art styles, and how they are divided.
///
/// - `training`: pictures for pretraining: all but one style each of 90 names, so that some (name, style) pairs are
///   never seen, though the name and the style are.
/// - `unseen`: those held-out pictures.
/// - `tuning` and `held_back`: 360 and 91 of the names; reinforcement learning uses prompts of the first only.
/// The 90 names with an unseen style are drawn from all, so both parts of the names have some.
struct emoji_data {
  static constexpr fewstep::index_t side = 32, picture_size = 3 * side * side;

  std::vector<caption> captions;
  std::vector<float> pictures;  ///< [captions, 32 * 32 * 3] in [-1, 1]
  std::vector<std::string> names;
  fewstep::vocabulary words;
  std::vector<std::int32_t> training, unseen;
  std::vector<std::int32_t> tuning, held_back;

  /// Reads emoji32.png, captions.tsv and vocabulary.txt; throws naming the file and the line.
  [[nodiscard]] static emoji_data load(const std::filesystem::path& folder);

  /// Tells these pictures, captions and words from others.
  [[nodiscard]] std::uint32_t checksum() const;

  [[nodiscard]] std::span<const float> picture(std::int32_t index) const {
    return std::span(pictures).subspan(static_cast<std::size_t>(index * picture_size),
                                       static_cast<std::size_t>(picture_size));
  }
};

/// Training batches: pictures drawn with replacement, mirrored half of the time, with words of the caption left out so
/// that a prompt covers many pictures: the style 40 %, the category 50 %, each word of the name 10 %, all of them 10 %
/// of the time.
class emoji_examples {
 public:
  emoji_examples(const emoji_data& data, std::uint64_t seed) : data_(&data), source_{seed, fewstep::stream::data} {}

  void operator()(std::int64_t step, fewstep::matrix<float> x, std::span<fewstep::token_list> contexts) const;

 private:
  const emoji_data* data_;
  fewstep::random_stream source_;
};

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../text_to_emoji/emoji_data.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace reward_models {

/// Pairs of pictures of one prompt each, and which of the two is preferred: what comparisons of people are stored as.
struct pair_file {
  static constexpr auto values = static_cast<std::size_t>(text_to_emoji::emoji_data::picture_size);

  std::vector<std::uint8_t> pictures;  ///< [pairs, 2, 32, 32, 3], levels of 8 bit
  std::vector<std::string> prompts;
  std::vector<std::uint8_t> first_wins;       ///< the label: 1 or 0
  std::vector<std::uint8_t> rule_says_first;  ///< the label by the rule, without flips
  std::vector<std::uint8_t> answered;         ///< whether the label is a person's
  std::size_t training = 0;                   ///< these come first; the others are held out
  std::string origin;                         ///< how they were made, as JSON

  [[nodiscard]] std::size_t size() const { return prompts.size(); }
  /// Levels of the first (0) or second (1) picture of a pair.
  [[nodiscard]] std::span<const std::uint8_t> levels(std::size_t pair, std::size_t which) const {
    return std::span(pictures).subspan((2 * pair + which) * values, values);
  }
  /// The picture with values in [-1, 1].
  void picture(std::size_t pair, std::size_t which, float* x) const;
  /// Tells pictures and prompts from others, whatever the labels are; eight hexadecimal digits.
  [[nodiscard]] std::string checksum() const;

  void save(const std::filesystem::path& path) const;
  /// Throws naming the file and what is wrong with it.
  [[nodiscard]] static pair_file load(const std::filesystem::path& path);
};

}  // namespace reward_models

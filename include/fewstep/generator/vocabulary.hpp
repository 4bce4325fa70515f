// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/utf8.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fewstep {

/// A text as word numbers, padded with 0. Order carries no meaning for a bag of words.
struct token_list {
  static constexpr index_t length = 10;
  std::array<std::int32_t, 10> ids{};
  friend bool operator==(const token_list&, const token_list&) = default;
};

/// The rows of a batch's texts as one matrix [N, length]. Where memory is only counted they are at no address.
[[nodiscard]] inline matrix<const std::int32_t> token_matrix(vec<const token_list> texts) {
  static_assert(sizeof(token_list) == token_list::length * sizeof(std::int32_t));
  const bool is_there = texts.size() > 0 && texts.data != nullptr;
  return {is_there ? texts.data->ids.data() : nullptr, {texts.size(), token_list::length}};
}

/// Words that a text encoder knows: word i of the list is token i + 1; token 0 is padding.
class vocabulary {
 public:
  struct encoding {
    token_list tokens;
    std::vector<std::string> unknown;    ///< words left out because they are not known
    std::vector<std::string> left_over;  ///< known words beyond the first token_list::length
  };

  vocabulary() = default;
  explicit vocabulary(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      require_utf8(words_[i], "vocabulary: the word");
      const bool is_new = numbers_.emplace(words_[i], static_cast<std::int32_t>(i + 1)).second;
      expects(is_new, [&] { return message("vocabulary: the word '", words_[i], "' stands in it twice"); });
      expects(split(words_[i]) == std::vector<std::string>{words_[i]}, [&] {
        return message("vocabulary: '", words_[i], "' is not one word in lower case, so no prompt can hold it");
      });
    }
  }

  /// Number of tokens, padding included.
  [[nodiscard]] index_t size() const { return static_cast<index_t>(words_.size()) + 1; }
  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }

  /// Token of a word; 0 if it is not known.
  [[nodiscard]] std::int32_t token(std::string_view word) const {
    const auto found = numbers_.find(std::string(word));
    return found == numbers_.end() ? 0 : found->second;
  }

  /// Splits at white space and commas, ignores case, and leaves out what is not known (named in the result).
  [[nodiscard]] encoding encode(std::string_view text) const {
    encoding result;
    std::size_t used = 0;
    for (const std::string& word : split(text)) {
      const std::int32_t id = token(word);
      if (id == 0)
        result.unknown.push_back(word);
      else if (used < result.tokens.ids.size())
        result.tokens.ids[used++] = id;
      else
        result.left_over.push_back(word);
    }
    return result;
  }

  /// How many words split() gives.
  [[nodiscard]] static index_t count(std::string_view text) {
    index_t words = 0;
    bool within = false;
    for (const char c : text) {
      words += !is_separator(c) && !within ? 1 : 0;
      within = !is_separator(c);
    }
    return words;
  }
  [[nodiscard]] static std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    const auto finish = [&] {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    };
    for (const char c : text) {
      if (is_separator(c))
        finish();
      else
        word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
    finish();
    return words;
  }

 private:
  static bool is_separator(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0 || c == ','; }

  std::vector<std::string> words_;
  std::unordered_map<std::string, std::int32_t> numbers_;
};

}  // namespace fewstep

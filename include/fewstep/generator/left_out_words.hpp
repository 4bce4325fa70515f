// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/generator/context_rows.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace fewstep {

/// What becomes of a text's words that a token_list cannot hold: those that the vocabulary does not have, and known
/// ones beyond the first token_list::length.
enum class missing_words { refuse, leave_out };

/// Words that encoding left out of texts, counted.
class left_out_words {
 public:
  left_out_words() = default;
  left_out_words(const vocabulary& words, std::string_view text) { add(words.encode(text)); }

  void add(const vocabulary::encoding& encoded) {
    for (const std::string& word : encoded.unknown) ++unknown_[word];
    for (const std::string& word : encoded.left_over) ++left_over_[word];
    if (!encoded.unknown.empty() || !encoded.left_over.empty()) ++texts_;
  }

  /// How often each was left out: for want of a token, or of room.
  [[nodiscard]] const std::map<std::string, std::int64_t>& unknown() const { return unknown_; }
  [[nodiscard]] const std::map<std::string, std::int64_t>& left_over() const { return left_over_; }
  /// Texts that lost words.
  [[nodiscard]] std::int64_t texts() const { return texts_; }
  [[nodiscard]] bool empty() const { return texts_ == 0; }

  /// For messages: 'blu' (unknown, 3 times), 'sky' (beyond the first 10 words). The first dozen, then how many more.
  [[nodiscard]] std::string text() const {
    std::string text;
    std::size_t said = 0;
    constexpr std::size_t most = 12;
    const auto say = [&](const std::map<std::string, std::int64_t>& words, const std::string& why) {
      for (const auto& [word, times] : words)
        if (said++ < most)
          text += message(text.empty() ? "'" : ", '", word, "' (", why,
                          times > 1 ? ", " + std::to_string(times) + " times)" : ")");
    };
    say(unknown_, "unknown");
    say(left_over_, "beyond the first " + std::to_string(token_list::length) + " words");
    return said > most ? text + " and " + std::to_string(said - most) + " more" : text;
  }

 private:
  std::map<std::string, std::int64_t> unknown_, left_over_;
  std::int64_t texts_ = 0;
};

namespace detail {

/// The tokens of a text for a model, `who` in messages. Refuses a text without a known word and, unless they are to be
/// left out, words that the tokens cannot hold.
[[nodiscard]] inline token_list encode_text(const vocabulary& words, const std::string& text, missing_words missing,
                                            std::string_view who) {
  const auto encoded = words.encode(text);
  expects(encoded.tokens != token_list{}, [&] {
    return message(who, ": no word of the prompt '", text, "' is in the vocabulary of ", words.words().size(),
                   " words; use words the model was trained on");
  });
  left_out_words left_out;
  left_out.add(encoded);
  expects(missing == missing_words::leave_out || left_out.empty(), [&] {
    return message(who, ": the prompt '", text, "' has words that the model cannot be given: ", left_out.text(),
                   "; correct them, or leave them out by encode(prompt, missing_words::leave_out)");
  });
  return encoded.tokens;
}

/// Refuses tokens that a table of `size` words, padding included, does not have.
inline void expect_known_words(const context_rows<token_list>& texts, index_t size, std::string_view who) {
  for (index_t r = 0; r < texts.size(); ++r)
    for (const std::int32_t id : texts[r].ids)
      expects(id >= 0 && id < size, [&] {
        return message(who, ": row ", r, " has the token ", id, ", but tokens are 0 (padding) to ", size - 1,
                       "; make contexts with encode()");
      });
}

}  // namespace detail

}  // namespace fewstep

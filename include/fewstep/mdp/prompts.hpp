// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/generator/left_out_words.hpp>
#include <fewstep/io/text_lines.hpp>

#include <concepts>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// Texts to be conditioned on, in the order of their numbers. A generator with encode(text) turns each into its
/// context.
struct prompt_list {
  std::vector<std::string> texts;
  /// What becomes of words that a generator with a vocabulary cannot be given; left_out(prompts, generator) says which.
  missing_words missing = missing_words::refuse;

  [[nodiscard]] std::size_t size() const { return texts.size(); }

  /// One prompt a line; empty lines are skipped. Throws std::runtime_error if the file cannot be read or has none.
  [[nodiscard]] static prompt_list from_file(const std::filesystem::path& path,
                                             missing_words missing = missing_words::refuse) {
    prompt_list prompts{.texts = {}, .missing = missing};
    for (std::string& line : text_lines(path, "a file with one prompt a line"))
      if (line.find_first_not_of(" \t") != std::string::npos) prompts.texts.push_back(std::move(line));
    if (prompts.texts.empty()) throw std::runtime_error(message(path.string(), ": has no prompt; write one a line"));
    return prompts;
  }
};

/// One of several texts in braces: trainer.run({"red heart", "black cat"}, 100).
struct prompt_text {
  std::string text;

  prompt_text(const char* of) : text(of) {}             // NOLINT: implicit, to be listed
  prompt_text(std::string of) : text(std::move(of)) {}  // NOLINT
  explicit operator std::string_view() const { return text; }
};

namespace detail {

/// A range of what std::string can be made of.
template <class Texts>
concept range_of_texts = requires(const Texts& texts) {
  std::string(std::string_view(*std::begin(texts)));
  std::end(texts);
};

template <class Generator>
concept has_vocabulary = requires(const Generator& model) {
  { model.words() } -> std::convertible_to<const vocabulary&>;
};

template <class Generator>
concept encodes = requires(const Generator& model, const std::string& text) {
  { model.encode(text) } -> std::same_as<typename Generator::context_type>;
};

/// Whether the generator makes contexts of texts; where it does not, the compiler says so.
template <class Generator>
consteval bool require_encode() {
  static_assert(encodes<Generator>,
                "fewstep::prompt_list: prompts are texts, but the generator has no context_type encode(const "
                "std::string&) const; add it, or run(contexts, updates) with contexts of your own");
  return encodes<Generator>;
}

}  // namespace detail

/// The words of texts that the generator cannot be given: unknown ones, and those beyond the tenth of a text.
template <detail::range_of_texts Texts, detail::has_vocabulary Generator>
[[nodiscard]] left_out_words left_out(const Texts& texts, const Generator& model) {
  left_out_words words;
  for (const auto& text : texts) words.add(model.words().encode(std::string_view(text)));
  return words;
}
template <detail::has_vocabulary Generator>
[[nodiscard]] left_out_words left_out(const prompt_list& prompts, const Generator& model) {
  return left_out(prompts.texts, model);
}

/// The contexts of texts under a generator's encode(text). Throws std::invalid_argument that counts and names the words
/// that the generator cannot be given, unless they are to be left out.
template <detail::range_of_texts Texts, class Generator>
[[nodiscard]] std::vector<typename Generator::context_type> encoded(const Texts& texts, const Generator& model,
                                                                    missing_words missing = missing_words::refuse) {
  constexpr bool can_encode = detail::require_encode<Generator>();
  constexpr bool leaves_out = requires(const std::string& text) { model.encode(text, missing); };
  if constexpr (detail::has_vocabulary<Generator>) {
    const left_out_words words = left_out(texts, model);
    expects(missing == missing_words::leave_out || words.empty(), [&] {
      return message("prompts: ", words.texts(), " of ", std::distance(std::begin(texts), std::end(texts)),
                     " have words that the generator cannot be given: ", words.text(),
                     "; correct them, or let them be left out: prompt_list{texts, missing_words::leave_out}");
    });
  }
  std::vector<typename Generator::context_type> contexts;
  for (const auto& each : texts) {
    const std::string text{std::string_view(each)};
    if constexpr (can_encode && leaves_out)
      contexts.push_back(model.encode(text, missing));
    else if constexpr (can_encode)
      contexts.push_back(model.encode(text));
  }
  return contexts;
}
template <class Generator>
[[nodiscard]] std::vector<typename Generator::context_type> encoded(const prompt_list& prompts,
                                                                    const Generator& model) {
  return encoded(prompts.texts, model, prompts.missing);
}

}  // namespace fewstep

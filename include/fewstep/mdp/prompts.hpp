// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
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

  [[nodiscard]] std::size_t size() const { return texts.size(); }

  /// One prompt a line; empty lines are skipped. Throws std::runtime_error if the file cannot be read or has none.
  [[nodiscard]] static prompt_list from_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file)
      throw std::runtime_error(message(path.string(), ": cannot be opened; give a file with one prompt a line"));
    prompt_list prompts;
    for (std::string line; std::getline(file, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.find_first_not_of(" \t") != std::string::npos) prompts.texts.push_back(std::move(line));
    }
    if (file.bad() || std::filesystem::is_directory(path))
      throw std::runtime_error(message(path.string(), ": cannot be read; give a file with one prompt a line"));
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

}  // namespace detail

/// The contexts of texts under a generator's encode(text).
template <detail::range_of_texts Texts, class Generator>
[[nodiscard]] std::vector<typename Generator::context_type> encoded(const Texts& texts, const Generator& model) {
  constexpr bool encodes = requires(const std::string& text) {
    { model.encode(text) } -> std::same_as<typename Generator::context_type>;
  };
  static_assert(encodes,
                "fewstep::prompt_list: prompts are texts, but the generator has no context_type encode(const "
                "std::string&) const; add it, or run(contexts, updates) with contexts of your own");
  std::vector<typename Generator::context_type> contexts;
  if constexpr (encodes)
    for (const auto& text : texts) contexts.push_back(model.encode(std::string(std::string_view(text))));
  return contexts;
}
template <class Generator>
[[nodiscard]] std::vector<typename Generator::context_type> encoded(const prompt_list& prompts,
                                                                    const Generator& model) {
  return encoded(prompts.texts, model);
}

namespace detail {

/// What a trainer draws prompts from: contexts as they are, or texts, encoded.
template <class Prompts, class Generator>
[[nodiscard]] std::vector<typename Generator::context_type> contexts_of(const Prompts& prompts,
                                                                        const Generator& model) {
  using context_type = typename Generator::context_type;
  constexpr bool are_contexts = std::convertible_to<const Prompts&, std::span<const context_type>>;
  constexpr bool are_texts = range_of_texts<Prompts> || std::same_as<Prompts, prompt_list>;
  static_assert(
      are_contexts || are_texts,
      "fewstep: a trainer runs on contexts or on texts: give a std::vector of the generator's context_type or "
      "of std::string, a prompt_list, or several of either in braces");
  if constexpr (are_contexts) {
    const std::span<const context_type> contexts = prompts;
    return {contexts.begin(), contexts.end()};
  } else if constexpr (are_texts) {
    return encoded(prompts, model);
  } else {
    return {};
  }
}

}  // namespace detail

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
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

/// The contexts of the prompts under a generator's encode(text).
template <class Generator>
[[nodiscard]] std::vector<typename Generator::context_type> encoded(const prompt_list& prompts,
                                                                    const Generator& model) {
  constexpr bool encodes = requires(const std::string& text) {
    { model.encode(text) } -> std::same_as<typename Generator::context_type>;
  };
  static_assert(encodes,
                "fewstep::prompt_list: prompts are texts, but the generator has no context_type encode(const "
                "std::string&) const; add it, or run(contexts, updates) with contexts of your own");
  std::vector<typename Generator::context_type> contexts;
  if constexpr (encodes)
    for (const std::string& text : prompts.texts) contexts.push_back(model.encode(text));
  return contexts;
}

}  // namespace fewstep

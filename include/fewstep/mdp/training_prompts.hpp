// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/mdp/prompts.hpp>

#include <concepts>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace fewstep {

/// What a run draws its prompts from: contexts (anything that converts to std::span<const context_type>) or texts for
/// the generator's encode (a prompt_list, a range of std::string or const char*); a few of either may stand in braces.
template <class Generator>
class training_prompts {
 public:
  using context_type = typename Generator::context_type;

  template <class Prompts>
  training_prompts(const Prompts& prompts) {  // NOLINT: implicit, to be an argument of run()
    constexpr bool are_contexts = std::convertible_to<const Prompts&, std::span<const context_type>>;
    constexpr bool are_texts = detail::range_of_texts<Prompts> || std::same_as<Prompts, prompt_list>;
    static_assert(
        are_contexts || are_texts,
        "fewstep: a trainer runs on contexts or on texts: give a std::vector of the generator's context_type or "
        "of std::string, a prompt_list, or several of either in braces");
    if constexpr (!are_contexts && are_texts) (void)detail::require_encode<Generator>();
    if constexpr (are_contexts) {
      const std::span<const context_type> contexts = prompts;
      given_ = std::vector<context_type>(contexts.begin(), contexts.end());
    } else if constexpr (std::same_as<Prompts, prompt_list>) {
      given_ = prompts;
    } else if constexpr (are_texts) {
      prompt_list list;
      for (const auto& text : prompts) list.texts.emplace_back(std::string_view(text));
      given_ = std::move(list);
    }
  }
  training_prompts(std::initializer_list<context_type> contexts) : given_(std::vector<context_type>(contexts)) {}
  training_prompts(std::initializer_list<prompt_text> texts)
      : training_prompts(std::span<const prompt_text>(texts.begin(), texts.size())) {}

  /// The contexts, of texts those that the generator makes of them.
  [[nodiscard]] std::vector<context_type> contexts([[maybe_unused]] const Generator& model) && {
    if (auto* contexts = std::get_if<std::vector<context_type>>(&given_)) return std::move(*contexts);
    if constexpr (detail::encodes<Generator>)
      return encoded(std::get<prompt_list>(given_), model);
    else
      return {};
  }

 private:
  std::variant<std::vector<context_type>, prompt_list> given_;
};

}  // namespace fewstep

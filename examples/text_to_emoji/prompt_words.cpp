// SPDX-License-Identifier: Apache-2.0
#include "prompt_words.hpp"

#include <fewstep/generator/left_out_words.hpp>

#include <cstdio>

namespace text_to_emoji {

void warn_of_left_out(const fewstep::vocabulary& words, std::span<const std::string> prompts) {
  fewstep::left_out_words left_out;
  for (const std::string& prompt : prompts) left_out.add(words.encode(prompt));
  if (left_out.empty()) return;
  std::fprintf(stderr, "warning: words of %lld of %zu prompts are left out, as the model cannot be given them: %s\n",
               static_cast<long long>(left_out.texts()), prompts.size(), left_out.text().c_str());
}

}  // namespace text_to_emoji

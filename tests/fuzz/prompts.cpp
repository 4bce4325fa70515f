// SPDX-License-Identifier: Apache-2.0
// A file of prompts, one a line, and the words that a text encoder finds in them.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/mdp/prompts.hpp>

#include <set>

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  const auto prompts = fewstep::prompt_list::from_file(folder.put("prompts.txt", bytes));
  std::set<std::string> words;
  for (const auto& text : prompts.texts)
    for (const auto& word : fewstep::vocabulary::split(text)) words.insert(word);
  const fewstep::vocabulary known({words.begin(), words.end()});
  for (const auto& text : prompts.texts)
    fewstep::fuzz::require(known.encode(text).unknown.empty(), "a word of the vocabulary is unknown");
}

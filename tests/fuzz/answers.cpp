// SPDX-License-Identifier: Apache-2.0
// The answers that the page of `reward_models label` saves, about three pairs.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include "reward_models/answers.cpp"
#include "reward_models/pair_file.cpp"

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  reward_models::pair_file pairs;
  pairs.prompts = {"red apple", "pear", "blue square"};
  reward_models::answers_settings settings;
  settings.answers = folder.put("answers.json", bytes);
  try {
    for (const auto& answer : reward_models::load_answers(settings, pairs))
      fewstep::fuzz::require(answer.pair < 3, "an answer about a pair that is not there");
  } catch (const nlohmann::json::exception&) {
    fewstep::fuzz::require(false, "an error of the JSON library, which does not name the file");
  }
}

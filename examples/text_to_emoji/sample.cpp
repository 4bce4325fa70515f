// SPDX-License-Identifier: Apache-2.0
#include "drawing.hpp"
#include "option_checks.hpp"
#include "runtime.hpp"
#include "settings.hpp"

#include <fewstep/core/error.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace text_to_emoji {
namespace {

/// The prompt's words that the model knows; the others are named. Throws if it knows none.
fewstep::token_list encode_aloud(const painter& model, const std::string& prompt) {
  const auto encoded = model.words().encode(prompt);
  const auto warn = [&](const std::vector<std::string>& words, const char* why) {
    for (const std::string& word : words)
      std::fprintf(stderr, "warning: '%s' in the prompt '%s' is left out: %s\n", word.c_str(), prompt.c_str(), why);
  };
  warn(encoded.unknown, "the model does not know it");
  warn(encoded.left_over, "a prompt has at most 10 words");
  return model.encode(prompt);  // without them
}

}  // namespace

int sample(const sample_settings& s) {
  expect_between("--steps", s.steps, 1, 10000);
  expect_between("--count", s.count, 1, 10000);
  expect_between("--scale", s.scale, 1, 100);
  expect_threads(s.threads);
  expect_picture_name("--output", s.output);
  const auto runtime = make_runtime(s.backend, s.threads);
  const auto model = runtime->load(s.checkpoint);
  std::vector<fewstep::token_list> contexts;
  for (const std::string& prompt : s.prompts)
    contexts.insert(contexts.end(), static_cast<std::size_t>(s.count), encode_aloud(*model, prompt));
  save_picture_grid(s.output, model->draw(contexts, times_for(s.steps), s.seed), s.count, s.scale);
  std::printf("%zu pictures in %d steps: %s\n", contexts.size(), s.steps, s.output.c_str());
  return 0;
}

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
// A checkpoint: every kind of value. One that is refused must leave the object as it was.
#include "checkpoint_state.hpp"
#include "fuzz.hpp"
#include "safetensors_mutator.hpp"

#include <fewstep/io/checkpoint.hpp>

#include <cstdlib>
#include <utility>

FEWSTEP_FUZZ(bytes) {
  fewstep::safetensors_file file({bytes.begin(), bytes.end()}, "input");
  fewstep::fuzz::checkpoint_content loaded{.state = {.index = 7, .names = {"kept"}}};
  const auto before = loaded.state;
  try {
    fewstep::load_checkpoint(std::move(file), loaded);
  } catch (const std::exception&) {
    if (loaded.state != before || loaded.rewards.prompts() != 0) std::abort();
    return;
  }
  if (loaded.state.index > 1000 || loaded.state.now > fewstep::fuzz::phase::update) std::abort();
  for (std::int32_t prompt = -1; prompt < 3; ++prompt) (void)loaded.rewards.rewards(prompt);
  if (loaded.rewards.prompts() == 0) loaded.rewards.push(1, 0.5f, 2);
}

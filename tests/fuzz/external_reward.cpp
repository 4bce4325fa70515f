// SPDX-License-Identifier: Apache-2.0
// What a reward program answers to a batch of three samples.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include <fewstep/process/external_reward.hpp>

#include <cmath>

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  static const std::string file = (folder.path() / "answers").string();
  folder.put("answers", bytes);
  // It reads the 28 bytes of the batch and says what the file holds.
  fewstep::external_reward reward(
      {.command = {"sh", "-c", R"(head -c 28 > /dev/null; exec cat "$0")", file}, .timeout = 5, .restarts = 0});
  const float samples[3] = {};
  const int contexts[3] = {1, 2, 3};
  float out[3] = {7, 7, 7};
  try {
    reward(fewstep::matrix<const float>{samples, {3, 1}}, std::span<const int>(contexts), std::span(out));
  } catch (const std::exception&) {
    for (const float value : out) fewstep::fuzz::require(value == 7, "rewards were written in spite of an error");
    throw;
  }
  for (const float value : out) fewstep::fuzz::require(!std::isinf(value), "a reward is infinite");
}

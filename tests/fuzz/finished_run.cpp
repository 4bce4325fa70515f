// SPDX-License-Identifier: Apache-2.0
// The files of a finished run of the study: its tables of numbers and its JSON, one after the other, parted by a zero
// byte.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include "paper/study/finished_run.cpp"

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  for (const char* name : {"summary.json", "settings.json", "held_out.csv", "curve.csv"}) {
    const auto end = std::find(bytes.begin(), bytes.end(), std::byte{0});
    folder.put(name, {bytes.begin(), end});
    bytes = {end == bytes.end() ? end : end + 1, bytes.end()};
  }
  try {
    (void)paper::read_finished_run(folder.path()).over("training_seconds", "reward");
  } catch (const nlohmann::json::exception&) {
    fewstep::fuzz::require(false, "an error of the JSON library, which does not name the file");
  }
}

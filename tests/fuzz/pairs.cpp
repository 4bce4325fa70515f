// SPDX-License-Identifier: Apache-2.0
// A file of pairs of pictures, as `reward_models pairs` writes it.
#include "fuzz.hpp"
#include "input_folder.hpp"
#include "safetensors_mutator.hpp"

#include "reward_models/pair_file.cpp"

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  const auto pairs = reward_models::pair_file::load(folder.put("pairs.safetensors", bytes));
  (void)pairs.checksum();
  std::vector<float> picture(reward_models::pair_file::values);
  pairs.picture(pairs.size() - 1, 1, picture.data());
}

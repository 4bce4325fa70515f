// SPDX-License-Identifier: Apache-2.0
// A safetensors file of pairs, with prompts or with numbers.
#include "fuzz.hpp"
#include "input_folder.hpp"
#include "safetensors_mutator.hpp"

#include <fewstep/pair_file/latent_pairs.hpp>

#include <cstdint>
#include <exception>
#include <string>

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  const auto path = folder.put("pairs.safetensors", bytes);
  try {
    (void)fewstep::latent_pairs<std::string>(path);
  } catch (const std::exception&) {
    (void)fewstep::latent_pairs<std::int32_t>(path);
  }
}

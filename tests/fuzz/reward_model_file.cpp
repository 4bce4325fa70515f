// SPDX-License-Identifier: Apache-2.0
// Files of reward models: two_tower and preference_model.
#include "fuzz.hpp"
#include "safetensors_mutator.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/model_file/reward_model_file.hpp>

#include <cmath>
#include <cstdlib>

FEWSTEP_FUZZ(bytes) {
  const fewstep::safetensors_file file({bytes.begin(), bytes.end()}, "input");
  fewstep::cpu_backend backend({.threads = 1});
  try {
    auto towers = fewstep::load_two_tower(backend, file);
    for (const float value : towers.parameters())
      if (!std::isfinite(value)) std::abort();
  } catch (const std::exception&) {
  }
  const auto preference = fewstep::load_preference_model(backend, file);
  if (!std::isfinite(preference.scale.mean) || !(preference.scale.deviation > 0)) std::abort();
}

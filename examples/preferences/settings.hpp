// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../text_to_emoji/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace preferences {

/// A run; what is -1 or 0 here is what suits the system, see settled().
struct settings {
  std::string system = "diffusion_dpo";  ///< or ddim_inpo, d3po
  std::filesystem::path checkpoint = text_to_emoji::default_checkpoint, data = text_to_emoji::default_data;
  std::filesystem::path denoiser = "examples/text_to_emoji/denoiser.safetensors";  ///< that ddim_inpo inverts with
  std::filesystem::path judge = text_to_emoji::default_preference, two_tower = text_to_emoji::default_two_tower;
  std::filesystem::path pairs;  ///< a file of reward_models; empty: they are drawn, and labelled by the rule
  std::filesystem::path output = "preferences";
  int drawn = 1024;            ///< pairs
  int updates = 0;             ///< each of `batch` comparisons
  int batch = 32;              ///< pairs of an update
  float learning_rate = 0;     ///< rises over an eighth of the run, falls to a tenth from half of it on
  float beta = 0;              ///< of log-ratios that are means over the values of a picture
  float safeguard = -1;        ///< mu of the winner_safeguard; -1: there is none
  int lora = 0;                ///< rank of the adapters; 0: all parameters are trained
  int inversion_steps = 10;    ///< network calls of an inversion
  double memory_budget = 256;  ///< MB
  std::uint64_t seed = 0;
  int threads = 0;
  int checkpoint_every = 10;
  int prompts = 91, samples = 4;  ///< of the judging, before and after
  bool resume = false;
  bool overwrite = false;
};

[[nodiscard]] settings settled(settings s);

/// Trains and judges; returns the exit status of the program. Errors are exceptions.
int run(const settings& asked);

}  // namespace preferences

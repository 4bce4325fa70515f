// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../text_to_emoji/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace reward_models {

/// What either training is asked for.
struct training_settings {
  std::filesystem::path output;
  std::int64_t steps = 0;
  int batch = 0;
  std::vector<std::int64_t> widths;
  std::int64_t features = 64;
  float learning_rate = 1e-3f;
  float ema_decay = 0.99f;  ///< of the EMA of the parameters, which is what is written
  std::uint64_t seed = 1;
  int threads = 0;
  int checkpoint_every = 50;
  bool half = false;  ///< write the model in half precision
  bool resume = false;
  bool overwrite = false;
};

struct two_tower_settings {
  std::filesystem::path data = text_to_emoji::default_data;
  training_settings training{
      .output = "two_tower.safetensors", .steps = 1500, .batch = 96, .widths = {32, 64, 64}, .learning_rate = 2e-3f};
};

struct pairs_settings {
  std::string backend = "cpu";  ///< or cuda
  std::filesystem::path checkpoint = text_to_emoji::default_checkpoint, data = text_to_emoji::default_data;
  std::filesystem::path output = "pairs.safetensors";
  int pairs = 4000;                           ///< to train with, of prompts that fine-tuning uses
  int held_out = 500;                         ///< to evaluate with, of prompts that it does not use
  int steps = 4;                              ///< network calls per picture
  double flipped = 0.1;                       ///< share of labels against the rule
  double colour = 1, centre = 1, stray = 10;  ///< weights of the rule; strays are rare and small in number
  std::uint64_t seed = 1;
  int threads = 0;
};

struct label_settings {
  std::filesystem::path pairs = "pairs.safetensors", output = "label.html";
  int count = 100;
  int first = 0;
};

struct answers_settings {
  std::filesystem::path answers, pairs = "pairs.safetensors", output = "labelled.safetensors";
};

struct preference_settings {
  std::filesystem::path pairs = "pairs.safetensors";
  bool only_answered = false;
  bool turned = false;  ///< train with pictures turned by quarters, too
  float label_smoothing = 0.1f;
  training_settings training{.output = "preference.safetensors",
                             .steps = 1000,
                             .batch = 64,
                             .widths = {24, 48, 48},
                             .features = 48,
                             .learning_rate = 2e-3f};
};

/// Each returns the exit status of the program; errors are exceptions.
int train_two_tower(const two_tower_settings& settings);
int draw_pairs(const pairs_settings& settings);
int write_label_page(const label_settings& settings);
int read_answers(const answers_settings& settings);
int train_preference(const preference_settings& settings);

}  // namespace reward_models

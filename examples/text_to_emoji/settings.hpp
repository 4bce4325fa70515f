// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace text_to_emoji {

/// Where the repository keeps the pictures and the pretrained model.
inline const std::filesystem::path default_data = "examples/text_to_emoji/data";
inline const std::filesystem::path default_checkpoint = "examples/text_to_emoji/base.safetensors";
/// And the models that rate pictures, made by the program `reward_models`.
inline const std::filesystem::path default_two_tower = "examples/reward_models/two_tower.safetensors";
inline const std::filesystem::path default_preference = "examples/reward_models/preference.safetensors";

/// Consistency pretraining; the defaults made the checkpoint that comes with the repository.
struct pretrain_settings {
  std::string backend = "cpu";  ///< or cuda
  std::filesystem::path data = default_data, output = "pretrained";
  std::int64_t steps = 5200;
  int batch = 48;
  std::vector<std::int64_t> widths = {48, 96};
  float learning_rate = 8e-4f;
  float beta2 = 0.99f;
  float log_time_mean = -0.4f, log_time_deviation = 1.6f;
  float huber = 0.166f;
  std::int64_t warmup = 200;
  float final_rate = 0.02f;  ///< share of the learning rate left at the end; it falls over the second half
  std::uint64_t seed = 1;
  int threads = 0;
  int checkpoint_every = 250;
  bool half = false;  ///< write the models in half precision
  bool resume = false;
  bool overwrite = false;
};

/// RLCM on the pretrained model.
struct finetune_settings {
  std::string backend = "cpu";  ///< or cuda
  std::filesystem::path checkpoint = default_checkpoint, data = default_data, output = "demo";
  std::string task = "compressibility";  ///< or incompressibility, alignment, preference
  std::filesystem::path reward_model;    ///< the model of the last two; empty: the one that comes with the repository
  int updates = 22;
  int horizon = 4;
  std::vector<float> times;       ///< noise levels of the network calls; empty: those that suit the horizon
  int first_trained = -1;         ///< network calls before this one are not trained; -1: see settled()
  int prompts = 80, samples = 4;  ///< of one update
  float learning_rate = 2e-4f;    ///< rises over an eighth of the run, falls to a tenth from half of it on
  float kl = 0.026f;              ///< 0: the published objective
  float clip = 0;                 ///< 0: follows the size of a sample
  std::string last_step = "mask";
  std::string advantage = "group";
  int lora = 0;                 ///< rank of the adapters; 0: all parameters are trained
  double memory_budget = 1024;  ///< MB
  std::uint64_t seed = 0;
  int threads = 0;
  int checkpoint_every = 10;
  int evaluation_prompts = 64;
  int evaluation_samples = 4;
  bool resume = false;
  bool overwrite = false;
};

/// The settings with what they leave open: the noise levels of the network calls (those asked for by --times say the
/// horizon), the first call that is trained (without a KL the objective is the published one, which trains all) and the
/// model that rates.
[[nodiscard]] finetune_settings settled(finetune_settings settings);

struct sample_settings {
  std::string backend = "cpu";  ///< or cuda
  std::filesystem::path checkpoint = default_checkpoint, output = "samples.png";
  std::vector<std::string> prompts;
  int steps = 2;
  int count = 8;
  int scale = 4;  ///< side of the square that a pixel becomes
  std::uint64_t seed = 0;
  int threads = 0;
};

struct evaluate_settings {
  std::string backend = "cpu";  ///< or cuda
  std::filesystem::path checkpoint = default_checkpoint, data = default_data;
  int prompts = 50, samples = 16;
  std::vector<int> steps = {1, 2, 4, 8};
  int threads = 0;
};

/// Each returns the exit status of the program; errors are exceptions.
int pretrain(const pretrain_settings& settings);
int finetune(const finetune_settings& settings);
int self_test(const finetune_settings& settings);
int sample(const sample_settings& settings);
int evaluate(const evaluate_settings& settings);

}  // namespace text_to_emoji

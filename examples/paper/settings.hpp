// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paper {

/// The tasks of the paper: what a picture can be rewarded for.
inline const std::vector<std::string> all_rewards = {"compressibility", "incompressibility", "preference", "alignment"};

inline const std::filesystem::path default_data = "examples/text_to_emoji/data", default_models = "examples/paper";

/// The two models that are compared; the defaults made those that come with the repository. The consistency model is
/// trained from the denoiser.
struct pretrain_settings {
  std::filesystem::path data = default_data, output = "pretrained";
  std::int64_t denoiser_steps = 8000, consistency_steps = 5000;
  int batch = 64;
  std::vector<std::int64_t> widths = {32, 48};
  std::int64_t text_width = 64, condition = 64;
  float denoiser_rate = 1.2e-3f, consistency_rate = 8e-4f;
  float beta2 = 0.99f;
  float log_time_mean = -0.4f, log_time_deviation = 1.6f;
  float huber = 0.083f;
  std::int64_t warmup = 200;
  float final_rate = 0.02f;  ///< share of the learning rate left at the end; it falls over the second half
  std::uint64_t seed = 1;
  int threads = 0;
  int checkpoint_every = 250;
};

/// Both models as they come, drawing in several ways.
struct evaluate_settings {
  std::filesystem::path data = default_data, models = default_models;
  std::filesystem::path output;  ///< folder of picture grids; empty: none
  int prompts = 50, samples = 16;
  int threads = 0;
};

/// One run of reinforcement learning; 0 leaves a setting to the method.
struct train_settings {
  std::filesystem::path data = default_data, models = default_models, output = "run";
  std::string method = "rlcm", label;      ///< label: its name in a report; empty: the method
  std::string reward = "compressibility";  ///< or incompressibility, preference, alignment
  std::filesystem::path reward_model;      ///< the model of the last two; empty: the one that comes with the repository
  int horizon = 0;                         ///< steps of a picture
  float guidance = 1;                      ///< of ddpo, in sampling and training
  float learning_rate = 1e-4f;
  float kl = 0;  ///< coefficient of the KL to the model that training begins with; 0: none, as published
  int prompts = 0, samples = 0;    ///< of one update
  int optimizer_steps = 0;         ///< of one update
  std::int64_t updates = 0;        ///< 0: as many as there is time for
  double seconds = 0;              ///< of training, evaluations excluded; 0: as many as the updates take
  int evaluations = 10;            ///< on held-out names, after the one before training; the last at the end
  bool early_evaluations = false;  ///< evaluation k of n at (k/n)^2 of the run in place of k/n
  int evaluation_prompts = 45, evaluation_samples = 4;
  std::vector<std::string> stop;  ///< rules that end it early by these evaluations; see parse_stop_rule
  std::uint64_t seed = 0;
  int threads = 0;
  int checkpoint_every = 5;
};

/// Each returns the exit status of the program; errors are exceptions.
int pretrain(const pretrain_settings& settings);
int evaluate(const evaluate_settings& settings);
int train(const train_settings& settings);

}  // namespace paper

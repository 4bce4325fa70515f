// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paper {

inline const std::filesystem::path default_data = "examples/text_to_emoji/data";

/// The two models that are compared; the defaults made those that come with the repository. The consistency model is
/// trained from the denoiser.
struct pretrain_settings {
  std::filesystem::path data = default_data, output = "pretrained";
  std::int64_t denoiser_steps = 8000, consistency_steps = 6000;
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

/// Each returns the exit status of the program; errors are exceptions.
int pretrain(const pretrain_settings& settings);

}  // namespace paper

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clip_network.hpp"
#include "clips.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace moving_emoji {

struct pretrain_settings {
  std::filesystem::path data = "examples/text_to_emoji/data", output = "base.safetensors";
  std::int64_t steps = 4000;
  int batch = 32;
  float learning_rate = 2e-3f;
  std::uint64_t seed = 1;
  int threads = 0;
};

struct compare_settings {
  std::filesystem::path base = "examples/moving_emoji/base.safetensors", data = "examples/text_to_emoji/data",
                        encoder = "examples/reward_models/two_tower.safetensors", output = "moving_emoji";
  int pairs = 2048;                 ///< labelled, of each kind
  int steps = 16;                   ///< network calls of a clip
  float least = 0.4f, most = 0.6f;  ///< of the way to noise, from where copies are made anew
  float tie = 0.05f;                ///< two segments whose distortions differ by less than this share are alike
  int updates = 120, batch = 256;   ///< of each system
  float beta = 500, learning_rate = 5e-5f;
  int clips = 16;  ///< of each name, to measure with
  std::uint64_t seed = 1;
  int threads = 0;
};

/// Trains the generator on true clips and writes it. Both return the exit status of the program.
int pretrain(const pretrain_settings& settings);
/// Makes pairs, trains a generator by each system, and measures them beside the base.
int compare(const compare_settings& settings);

/// Weights by their names; the shape of the network is in generator.cpp.
void save(const std::filesystem::path& file, clip_generator& model, fewstep::vec<const float> parameters);
/// Throws naming the file and what is wrong with it.
[[nodiscard]] clip_generator load(fewstep::cpu_backend& backend, const std::filesystem::path& file,
                                  const emoji_pictures& emoji);

/// Clips [prompts, clip_size] by Euler's method; the same seed, the same noise.
[[nodiscard]] std::vector<float> draw(fewstep::cpu_backend& backend, clip_generator& model,
                                      std::span<const token_list> prompts, int steps, std::uint64_t seed);

/// What clips are measured by, each [clips].
struct clip_figures {
  std::vector<float> motion;      ///< magnitude, in pixels a frame
  std::vector<float> distortion;  ///< what the labels are made by, the mean over the frames
  /// Held out, no label is made by it: cosine similarity, in the features of an encoder of pictures, of what is cut out
  /// around the centre of a frame and the emoji asked for; the mean over the frames.
  std::vector<float> likeness;
};
/// Of clips [prompts, clip_size]. Throws naming the file of the encoder (a two_tower) and what is wrong with it.
[[nodiscard]] clip_figures measure(fewstep::cpu_backend& backend, const std::filesystem::path& encoder,
                                   const emoji_pictures& emoji, std::span<const float> clips,
                                   std::span<const token_list> prompts);

}  // namespace moving_emoji

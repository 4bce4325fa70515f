// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace text_to_emoji {

/// A reward chosen at run time. It rates on the host, whatever backend the generator runs on.
using emoji_reward = std::function<void(fewstep::matrix<const float> samples,
                                        std::span<const fewstep::token_list> contexts, std::span<float> out)>;

/// Whether the reward of that name is a frozen model, read from a file.
[[nodiscard]] bool is_learned(const std::string& task);

/// A frozen model that rates pictures [B, 3072] of prompts; out[B] are its rewards.
class learned_reward {
 public:
  learned_reward() = default;
  learned_reward(const learned_reward&) = delete;
  learned_reward& operator=(const learned_reward&) = delete;
  virtual ~learned_reward() = default;

  virtual void rate(fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                    std::span<float> out) = 0;
  /// As above with gradient[B, 3072] of each reward by its picture.
  virtual void rate(fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                    std::span<float> out, fewstep::matrix<float> gradient) = 0;
};

/// The reward alignment (a two_tower in the file `model`) or preference (a preference_model). Refuses a model that
/// reads texts if it has other words than the generator, whose tokens the contexts are.
[[nodiscard]] std::shared_ptr<learned_reward> load_learned_reward(const std::string& task,
                                                                  const std::filesystem::path& model,
                                                                  const fewstep::vocabulary& words, int threads = 1);

/// compressibility or incompressibility (the size of the picture as a JPEG file), or one of learned_reward.
[[nodiscard]] emoji_reward make_reward(const std::string& task, const std::filesystem::path& model,
                                       const fewstep::vocabulary& words, int threads = 1);

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "picture_bytes.hpp"
#include "text_to_emoji/emoji_reward.hpp"

#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace paper {

/// The reward of a run and its gradient, for pictures of 16 x 16 or 32 x 32: compressibility and incompressibility (the
/// stand-in of picture_bytes is their gradient), or preference and alignment, frozen models that see a small picture
/// enlarged. Copies share the model, and no two may rate at once.
class task_reward {
 public:
  /// Throws for a name that is none of these, and what load_learned_reward throws; `reward_model` is that model's file.
  task_reward(const std::string& task, const std::filesystem::path& reward_model, const fewstep::vocabulary& words,
              int threads);

  void operator()(fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                  std::span<float> out) const;
  void value_and_gradient(fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                          std::span<float> out, fewstep::matrix<float> gradient) const;

  /// The standard deviation of the reward over pictures, in round figures: 50 bytes (29 at 16 x 16), 1 on the scale of
  /// the preference model, 0.13 of a cosine.
  [[nodiscard]] float deviation() const { return deviation_; }

 private:
  picture_bytes bytes_;
  std::shared_ptr<text_to_emoji::learned_reward> learned_;  ///< null: bytes_ is the reward
  float deviation_ = 50;
};

/// The file of the model that comes with the repository; empty for a reward without one.
[[nodiscard]] std::filesystem::path default_reward_model(const std::string& task);

}  // namespace paper

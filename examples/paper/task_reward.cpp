// SPDX-License-Identifier: Apache-2.0
#include "task_reward.hpp"

#include "small_data.hpp"
#include "text_to_emoji/settings.hpp"

#include <cstddef>
#include <vector>

namespace paper {
namespace {

using fewstep::index_t;
using fewstep::matrix;

std::span<const float> row_of(matrix<const float> pictures, index_t i) {
  return {pictures.row(i), static_cast<std::size_t>(pictures.cols())};
}

/// Pictures [B, 3072] and as much room for their gradients.
struct large_pictures {
  std::vector<float> values, gradients;
  index_t count;

  explicit large_pictures(matrix<const float> samples)
      : values(static_cast<std::size_t>(samples.rows() * emoji_data::picture_size)),
        gradients(values.size()),
        count(samples.rows()) {
    for (index_t i = 0; i < count; ++i) enlarge(row_of(samples, i), row(values, i));
  }

  [[nodiscard]] static std::span<float> row(std::vector<float>& of, index_t i) {
    constexpr auto size = static_cast<std::size_t>(emoji_data::picture_size);
    return std::span(of).subspan(static_cast<std::size_t>(i) * size, size);
  }
  [[nodiscard]] matrix<float> rows(std::vector<float>& of) const {
    return {of.data(), {count, emoji_data::picture_size}};
  }
};

}  // namespace

std::filesystem::path default_reward_model(const std::string& task) {
  if (task == "alignment") return text_to_emoji::default_two_tower;
  if (task == "preference") return text_to_emoji::default_preference;
  return {};
}

task_reward::task_reward(const std::string& task, const std::filesystem::path& reward_model,
                         const fewstep::vocabulary& words, int threads) {
  if (!text_to_emoji::is_learned(task)) {
    bytes_ = picture_bytes::of(task, threads);
    return;
  }
  learned_ = text_to_emoji::load_learned_reward(task, reward_model, words, threads);
  deviation_ = task == "alignment" ? 0.13f : 1.0f;
}

void task_reward::operator()(matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                             std::span<float> out) const {
  if (learned_ == nullptr) {
    bytes_(samples, contexts, out);
    return;
  }
  large_pictures large(samples);
  learned_->rate(large.rows(large.values), contexts, out);
}

void task_reward::value_and_gradient(matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                                     std::span<float> out, matrix<float> gradient) const {
  if (learned_ == nullptr) {
    bytes_.value_and_gradient(samples, contexts, out, gradient);
    return;
  }
  large_pictures large(samples);
  learned_->rate(large.rows(large.values), contexts, out, large.rows(large.gradients));
  for (index_t i = 0; i < samples.rows(); ++i)
    enlarge_backward(large_pictures::row(large.gradients, i),
                     {gradient.row(i), static_cast<std::size_t>(gradient.cols())});
}

}  // namespace paper

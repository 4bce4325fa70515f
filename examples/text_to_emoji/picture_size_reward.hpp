// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <span>
#include <string>

namespace text_to_emoji {

/// Compressibility or incompressibility, chosen at run time.
struct picture_size_reward {
  bool small_is_good = true;
  int threads = 1;

  [[nodiscard]] static picture_size_reward of(const std::string& task, int threads = 1);

  void operator()(fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                  std::span<float> out) const;
};

}  // namespace text_to_emoji

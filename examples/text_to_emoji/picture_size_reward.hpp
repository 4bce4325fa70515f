// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/image/jpeg_reward.hpp>

#include <span>
#include <string>

namespace text_to_emoji {

/// Compressibility or incompressibility, chosen at run time.
struct picture_size_reward {
  bool small_is_good = true;
  int threads = 1;

  [[nodiscard]] static picture_size_reward of(const std::string& task, int threads = 1) {
    fewstep::expects(task == "compressibility" || task == "incompressibility", [&] {
      return fewstep::message("there is no reward '", task, "'; use compressibility or incompressibility");
    });
    return {task == "compressibility", threads};
  }

  template <class Context>
  void operator()(fewstep::matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) const {
    if (small_is_good)
      fewstep::jpeg_compressibility{.threads = threads}(samples, contexts, out);
    else
      fewstep::jpeg_incompressibility{.threads = threads}(samples, contexts, out);
  }
};

}  // namespace text_to_emoji

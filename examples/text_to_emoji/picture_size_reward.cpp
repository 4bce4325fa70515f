// SPDX-License-Identifier: Apache-2.0
#include "picture_size_reward.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/image/jpeg_reward.hpp>

namespace text_to_emoji {

picture_size_reward picture_size_reward::of(const std::string& task, int threads) {
  fewstep::expects(task == "compressibility" || task == "incompressibility", [&] {
    return fewstep::message("there is no reward '", task,
                            "'; use compressibility, incompressibility, alignment or preference");
  });
  return {task == "compressibility", threads};
}

void picture_size_reward::operator()(fewstep::matrix<const float> samples,
                                     std::span<const fewstep::token_list> contexts, std::span<float> out) const {
  if (small_is_good)
    fewstep::jpeg_compressibility{.threads = threads}(samples, contexts, out);
  else
    fewstep::jpeg_incompressibility{.threads = threads}(samples, contexts, out);
}

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace fewstep {

/// Mean over prompts of the mean cosine distance 1 - cos between the features of two different samples of the prompt:
/// 0 where a prompt always gives the same picture. features[N,E] need not be unit vectors; equal elements of
/// prompts[N] are one prompt, and prompts with a single sample are left out.
template <class Prompt>
[[nodiscard]] double within_prompt_diversity(matrix<const float> features, std::span<const Prompt> prompts) {
  const index_t n = features.rows(), width = features.cols();
  expects(static_cast<index_t>(prompts.size()) == n, [&] {
    return message("within_prompt_diversity: there are ", n, " samples and ", prompts.size(),
                   " prompts; give one prompt for each sample");
  });
  std::vector<double> sum(static_cast<std::size_t>(width));
  std::vector<bool> done(prompts.size());
  double total = 0;
  index_t counted = 0;
  for (std::size_t first = 0; first < prompts.size(); ++first) {
    if (done[first]) continue;
    // Over unit vectors u, the sum of <u_i, u_j> over pairs i != j is |sum u|^2 less their number.
    sum.assign(sum.size(), 0.0);
    double samples = 0, cosines = 0;
    for (std::size_t i = first; i < prompts.size(); ++i) {
      if (!(prompts[i] == prompts[first])) continue;
      done[i] = true;
      samples += 1;
      const float* row = features.row(static_cast<index_t>(i));
      double squares = 0;
      for (index_t e = 0; e < width; ++e) squares += static_cast<double>(row[e]) * static_cast<double>(row[e]);
      expects(squares > 0 && std::isfinite(squares), [&] {
        return message("within_prompt_diversity: the features of sample ", i,
                       " are zero or not finite, so it has no cosine distance to others");
      });
      for (std::size_t e = 0; e < sum.size(); ++e) sum[e] += static_cast<double>(row[e]) / std::sqrt(squares);
    }
    if (samples < 2) continue;
    for (const double component : sum) cosines += component * component;
    total += 1.0 - (cosines - samples) / (samples * (samples - 1));
    ++counted;
  }
  expects(counted > 0, [&] {
    return message("within_prompt_diversity: no prompt has two of the ", n, " samples; draw at least two for a prompt");
  });
  return total / static_cast<double>(counted);
}

}  // namespace fewstep

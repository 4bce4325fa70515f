// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/tensor.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/reward_model/contrastive_training.hpp>

#include <algorithm>
#include <span>
#include <vector>

namespace fewstep {

struct retrieval_accuracies {
  double picture_to_text = 0;  ///< share of pictures whose caption is among the k nearest of the different captions
  double text_to_picture = 0;  ///< share of the different captions with a picture of theirs among the k nearest
};

/// Top-k retrieval among unit vectors pictures[N,E] and texts[N,E] of N pairs (Radford et al. 2021, arXiv:2103.00020,
/// section 3.1). Pairs with equal numbers in `captions` have one caption. What is as near as the right answer counts as
/// nearer, so a model that tells nothing apart finds nothing.
[[nodiscard]] inline retrieval_accuracies retrieval_accuracy(matrix<const float> pictures, matrix<const float> texts,
                                                             std::span<const index_t> captions, index_t k) {
  const index_t n = pictures.rows();
  expects(n > 0 && texts.extents == pictures.extents && static_cast<index_t>(captions.size()) == n && k >= 1, [&] {
    return message("retrieval_accuracy: there are ", n, " pictures, ", texts.rows(), " texts, ", captions.size(),
                   " captions, and k is ", k, "; give one of each for every pair, and k of at least 1");
  });
  const auto similarity = [&](index_t picture, index_t text) {
    double sum = 0;
    for (index_t e = 0; e < pictures.cols(); ++e)
      sum += static_cast<double>(pictures(picture, e)) * static_cast<double>(texts(text, e));
    return sum;
  };
  const auto caption = [&](index_t i) { return captions[static_cast<std::size_t>(i)]; };
  std::vector<index_t> different;  // the first pair of each caption
  for (index_t i = 0; i < n; ++i)
    if (std::none_of(different.begin(), different.end(), [&](index_t j) { return caption(j) == caption(i); }))
      different.push_back(i);

  retrieval_accuracies found;
  for (index_t i = 0; i < n; ++i) {
    const double own = similarity(i, i);
    const auto nearer = std::count_if(different.begin(), different.end(),
                                      [&](index_t j) { return caption(j) != caption(i) && similarity(i, j) >= own; });
    if (nearer < k) found.picture_to_text += 1.0 / static_cast<double>(n);
  }
  for (const index_t text : different) {
    double own = -2;
    for (index_t i = 0; i < n; ++i)
      if (caption(i) == caption(text)) own = std::max(own, similarity(i, text));
    index_t nearer = 0;
    for (index_t i = 0; i < n; ++i) nearer += caption(i) != caption(text) && similarity(i, text) >= own ? 1 : 0;
    if (nearer < k) found.text_to_picture += 1.0 / static_cast<double>(different.size());
  }
  return found;
}

/// The same for pairs that a two_tower has not seen.
template <class Backend>
[[nodiscard]] retrieval_accuracies retrieval_accuracy(alignment_reward<Backend>& reward, matrix<const float> pictures,
                                                      std::span<const token_list> texts, index_t k) {
  const index_t n = pictures.rows(), width = reward.features();
  std::vector<float> of_pictures(static_cast<std::size_t>(n * width)), of_texts(of_pictures.size());
  std::vector<index_t> captions(texts.size());
  reward.features(pictures, {of_pictures.data(), {n, width}});
  reward.text_features(texts, {of_texts.data(), {n, width}});
  number_captions(texts, captions);
  return retrieval_accuracy({of_pictures.data(), {n, width}}, {of_texts.data(), {n, width}}, captions, k);
}

}  // namespace fewstep

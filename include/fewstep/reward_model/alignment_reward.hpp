// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/reward_model/reward_model_evaluation.hpp>
#include <fewstep/reward_model/two_tower.hpp>

#include <algorithm>
#include <span>

namespace fewstep {

namespace detail {

/// The gradient of <I, T> by I, for rows y = [I, T].
struct other_tower {
  matrix<const float> y;
  matrix<float> gy;
  FEWSTEP_HD void operator()(index_t n) const {
    const index_t width = y.cols() / 2;
    for (index_t e = 0; e < width; ++e) {
      gy(n, e) = y(n, width + e);
      gy(n, width + e) = 0.0f;
    }
  }
};

}  // namespace detail

/// How well a picture fits its prompt: the cosine similarity of the two in the space of a two_tower, from -1 to 1
/// (Radford et al. 2021, arXiv:2103.00020). A reward and a differentiable_reward; the model is frozen. A row's bits
/// depend on that row only. Moves, does not copy: hand it on by std::ref. Backend and model must outlive it.
template <class Backend>
class alignment_reward {
 public:
  alignment_reward(Backend& backend, two_tower<Backend>& model) : evaluation_(backend, model) {}

  void operator()(matrix<const float> samples, std::span<const token_list> contexts, std::span<float> out) {
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    similarities(evaluation_(samples, contexts), out);
  }

  /// gradient[B,D] = d out[b] / d samples[b].
  void value_and_gradient(matrix<const float> samples, std::span<const token_list> contexts, std::span<float> out,
                          matrix<float> gradient) {
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    similarities(evaluation_(samples, contexts, gradient,
                             [](matrix<const float> y, matrix<float> gy) {
                               return detail::other_tower{y, gy};
                             }),
                 out);
  }

  /// Dimension E of the space.
  [[nodiscard]] index_t features() const { return evaluation_.model().network().features(); }
  /// Unit vectors out[B,E] of pictures[B,D].
  void features(matrix<const float> pictures, matrix<float> out) { take(evaluation_(pictures, {}), 0, out); }
  /// Unit vectors out[B,E] of texts.
  void text_features(std::span<const token_list> texts, matrix<float> out) {
    take(evaluation_({nullptr, {0, 0}}, texts), features(), out);
  }

 private:
  void similarities(matrix<const float> y, std::span<float> out) const {
    const index_t width = features();
    for (index_t n = 0; n < y.rows(); ++n) {
      double sum = 0;
      for (index_t e = 0; e < width; ++e) sum += static_cast<double>(y(n, e)) * static_cast<double>(y(n, width + e));
      out[static_cast<std::size_t>(n)] = static_cast<float>(sum);
    }
  }
  void take(matrix<const float> y, index_t first, matrix<float> out) const {
    expects(out.rows() == y.rows() && out.cols() == features(), [&] {
      return message("alignment_reward: ", y.rows(), " rows have features of ", features(),
                     " values, but there is room for [", out.rows(), ", ", out.cols(), "]");
    });
    for (index_t n = 0; n < y.rows(); ++n) std::copy_n(y.row(n) + first, features(), out.row(n));
  }

  reward_model_evaluation<Backend, two_tower_network<float>> evaluation_;
};

}  // namespace fewstep

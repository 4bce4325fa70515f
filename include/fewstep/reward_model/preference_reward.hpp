// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/reward/reward.hpp>
#include <fewstep/reward_model/preference_model.hpp>
#include <fewstep/reward_model/reward_model_evaluation.hpp>

#include <cmath>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace fewstep {

/// How the outputs of a reward model are read: (r - mean) / deviation. Preferences fix a reward up to a constant only
/// (Christiano et al. 2017, arXiv:1706.03741, section 2.2.1, normalise it likewise).
struct reward_scale {
  float mean = 0, deviation = 1;

  static constexpr std::string_view name = "preference_reward";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("mean", mean);
    visit("deviation", deviation, above(0));
  }
};

namespace detail {

/// gy[n] = value.
struct constant_rows {
  matrix<float> gy;
  float value;
  FEWSTEP_HD void operator()(index_t n) const { gy(n, 0) = value; }
};

}  // namespace detail

/// A frozen preference_model as a reward and a differentiable_reward. Contexts are token_list where the model reads
/// texts, and of any type where it does not. A row's bits depend on that row only. Moves, does not copy: hand it on by
/// std::ref. Backend and model must outlive it.
template <class Backend>
class preference_reward {
 public:
  preference_reward(Backend& backend, preference_model<Backend>& model, reward_scale scale = {})
      : evaluation_(backend, model), scale_(checked(scale)) {}

  static constexpr std::string_view name = reward_scale::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    scale_.settings(visit);
  }

  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) {
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    scaled(evaluation_(samples, evaluation_.texts(contexts)), out);
  }

  /// gradient[B,D] = d out[b] / d samples[b].
  template <class Context>
  void value_and_gradient(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out,
                          matrix<float> gradient) {
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    const float slope = 1.0f / scale_.deviation;
    scaled(evaluation_(samples, evaluation_.texts(contexts), gradient,
                       [slope](matrix<const float>, matrix<float> gy) {
                         return detail::constant_rows{gy, slope};
                       }),
           out);
  }

  /// Sets the scale so that these samples have rewards of mean 0 and variance 1.
  template <class Context>
  void calibrate(matrix<const float> samples, std::span<const Context> contexts) {
    const index_t n = samples.rows();
    expects(n >= 2, [&] { return message("preference_reward: ", n, " samples cannot set a scale; give at least 2"); });
    std::vector<float> rewards(static_cast<std::size_t>(n));
    scale_ = {};
    (*this)(samples, contexts, std::span<float>(rewards));
    double mean = 0, variance = 0;
    for (const float r : rewards) mean += static_cast<double>(r) / static_cast<double>(n);
    for (const float r : rewards) variance += std::pow(static_cast<double>(r) - mean, 2) / static_cast<double>(n);
    if (!(variance > 0) || !std::isfinite(variance))
      throw std::runtime_error(message("preference_reward: the rewards of ", n, " samples have variance ", variance,
                                       ", which sets no scale; give samples that differ, and train the model first"));
    scale_ = {static_cast<float>(mean), static_cast<float>(std::sqrt(variance))};
  }
  [[nodiscard]] reward_scale scale() const { return scale_; }

 private:
  void scaled(matrix<const float> y, std::span<float> out) const {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = (y(static_cast<index_t>(i), 0) - scale_.mean) / scale_.deviation;
  }

  reward_model_evaluation<Backend, preference_network<float>> evaluation_;
  reward_scale scale_;
};

/// Share of pairs whose winner gets the higher reward, row i of winners[P,D] and losers[P,D] being rated for
/// contexts[i]; equal rewards count one half.
template <class Reward, class Context>
requires reward<Reward, Context>
[[nodiscard]] double preference_accuracy(Reward& reward, matrix<const float> winners, matrix<const float> losers,
                                         std::span<const Context> contexts) {
  expects(winners.rows() > 0 && winners.extents == losers.extents, [&] {
    return message("preference_accuracy: there are ", winners.rows(), " winners and ", losers.rows(),
                   " losers; give as many of either, and at least one");
  });
  std::vector<float> of_winners(contexts.size()), of_losers(contexts.size());
  reward(winners, contexts, std::span<float>(of_winners));
  reward(losers, contexts, std::span<float>(of_losers));
  double right = 0;
  for (std::size_t i = 0; i < of_winners.size(); ++i)
    right += of_winners[i] > of_losers[i] ? 1.0 : of_winners[i] == of_losers[i] ? 0.5 : 0.0;
  return right / static_cast<double>(of_winners.size());
}

}  // namespace fewstep

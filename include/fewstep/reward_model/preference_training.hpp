// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/figure.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/loss/bradley_terry.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/preference/preference_source.hpp>
#include <fewstep/reward_model/preference_model.hpp>
#include <fewstep/reward_model/reward_model_training.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace fewstep {

/// What one step did.
struct preference_training_report {
  std::int64_t step = 0;
  double loss = 0, gradient_norm = 0;
  double accuracy = 0;  ///< share of the batch's pairs whose winner has the higher reward

  [[nodiscard]] static constexpr auto figures() {
    using report = preference_training_report;
    return std::array{figure_of<&report::loss>("loss"), figure_of<&report::gradient_norm>("gradient_norm"),
                      figure_of<&report::accuracy>("accuracy")};
  }
};

struct preference_training_options {
  std::int64_t steps = 1000;
  index_t batch = 64;           ///< pairs of samples
  float max_gradient_norm = 1;  ///< 0: gradients are not clipped
  float ema_decay = 0;          ///< of the EMA of the parameters, which warms up (ema_rule); 0: none is kept
  float label_smoothing = 0;    ///< share of labels taken to be wrong; below 1/2
  linear_schedule schedule{};

  static constexpr std::string_view name = "preference_training";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.not_compared("steps", steps, at_least(1));
    visit("batch", batch, at_least(1));
    visit("max_gradient_norm", max_gradient_norm, at_least(0).or_infinite().remark("0: no clipping"));
    visit("ema_decay", ema_decay, at_least(0).below(1));
    visit("label_smoothing", label_smoothing, at_least(0).below(0.5));
    visit("schedule", schedule);
  }
};

/// Training of a reward model on preferences by bradley_terry_loss (Christiano et al. 2017, arXiv:1706.03741, section
/// 2.2.3). A preference_source of token_list gives the pairs; a model that reads no texts ignores the contexts.
template <class Backend, class Optimizer>
class preference_training
    : public reward_model_training<Backend, preference_model<Backend>, Optimizer, preference_training_options> {
  using training = reward_model_training<Backend, preference_model<Backend>, Optimizer, preference_training_options>;

 public:
  using report = preference_training_report;

  preference_training(Backend& backend, preference_model<Backend>& model, Optimizer optimizer,
                      const preference_training_options& o)
      : training(backend, model, std::move(optimizer), o, length_product(2, o.batch)) {}

  /// One optimizer step on one batch of pairs from the source.
  template <class Source>
  report step(Source& source) {
    const std::int64_t step = this->index();
    const index_t pairs = this->options_.batch;
    const matrix<float> pictures = this->pictures();
    const auto texts = this->texts().first(static_cast<std::size_t>(pairs));
    if constexpr (detail::require_preference_source<Source, token_list>())
      source(step, pictures.subview(0, pairs), pictures.subview(pairs, pairs), texts);
    const bool reads_texts = this->model_.network().reads_texts();
    if (reads_texts) {
      this->model_.expect_known(texts);
      std::copy(texts.begin(), texts.end(), this->texts().begin() + pairs);
    }
    const index_t rows = 2 * pairs;
    const auto [loss, accuracy] =
        bradley_terry_loss<float>(vec<const float>{this->forward(reads_texts).data, {rows}},
                                  static_cast<double>(this->options_.label_smoothing), {this->slopes().data, {rows}});
    this->replace_gradient();
    return {step, loss, this->move(loss), accuracy};
  }
};

}  // namespace fewstep

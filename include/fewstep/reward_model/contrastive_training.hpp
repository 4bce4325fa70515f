// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/figure.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/loss/contrastive_loss.hpp>
#include <fewstep/loss/example_source.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/reward_model/reward_model_training.hpp>
#include <fewstep/reward_model/two_tower.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// What one step did.
struct contrastive_training_report {
  std::int64_t step = 0;
  double loss = 0, gradient_norm = 0;
  double accuracy = 0;  ///< share of the batch's pictures whose own text is the nearest
  double scale = 0;     ///< factor on the similarities, exp(logit_scale)

  [[nodiscard]] static constexpr auto figures() {
    using report = contrastive_training_report;
    return std::array{figure_of<&report::loss>("loss"), figure_of<&report::gradient_norm>("gradient_norm"),
                      figure_of<&report::accuracy>("accuracy"), figure_of<&report::scale>("scale")};
  }
};

struct contrastive_training_options {
  std::int64_t steps = 1000;
  index_t batch = 64;           ///< pairs
  float max_gradient_norm = 1;  ///< 0: gradients are not clipped
  float ema_decay = 0;          ///< of the EMA of the parameters, which warms up (ema_rule); 0: none is kept
  linear_schedule schedule{};

  static constexpr std::string_view name = "contrastive_training";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.not_compared("steps", steps, at_least(1));
    visit("batch", batch, at_least(1));
    visit("max_gradient_norm", max_gradient_norm, at_least(0).or_infinite().remark("0: no clipping"));
    visit("ema_decay", ema_decay, at_least(0).below(1));
    visit("schedule", schedule);
  }
};

/// Numbers captions so that equal ones have equal numbers. Texts are bags of words: their order counts for nothing.
inline void number_captions(std::span<const token_list> texts, std::span<index_t> numbers) {
  std::map<std::array<std::int32_t, token_list::length>, index_t> first;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto words = texts[i].ids;
    std::sort(words.begin(), words.end());
    numbers[i] = first.try_emplace(words, static_cast<index_t>(i)).first->second;
  }
}

namespace detail {

/// data[i] = min(data[i], most).
struct keep_at_most {
  float* data;
  float most;
  FEWSTEP_HD void operator()(index_t i) const { data[i] = data[i] < most ? data[i] : most; }
};

}  // namespace detail

/// Contrastive training of pictures and their texts (CLIP: Radford et al. 2021, arXiv:2103.00020, section 2.3) by
/// contrastive_loss, in which pairs of one caption are masked. The factor on similarities is learned as
/// exp(logit_scale) and kept at or below 100, as published. An example_source gives pictures and token lists.
template <class Backend, class Optimizer>
class contrastive_training
    : public reward_model_training<Backend, two_tower<Backend>, Optimizer, contrastive_training_options> {
  using training = reward_model_training<Backend, two_tower<Backend>, Optimizer, contrastive_training_options>;
  using training::backend_, training::model_;

 public:
  using report = contrastive_training_report;

  contrastive_training(Backend& backend, two_tower<Backend>& model, Optimizer optimizer,
                       const contrastive_training_options& o)
      : training(backend, model, std::move(optimizer), o, o.batch), captions_(static_cast<std::size_t>(o.batch)) {}

  /// One optimizer step on one batch from the source.
  template <class Source>
  report step(Source& source) {
    const std::int64_t step = this->index();
    const std::span<token_list> texts = this->texts();
    if constexpr (detail::require_example_source<Source, token_list>()) source(step, this->pictures(), texts);
    model_.expect_known(texts);
    number_captions(texts, captions_);
    const matrix<const float> outputs = this->forward(true);
    float log_scale = 0;
    const vec<float> at = model_.parameters().subview(model_.network().logit_scale(), 1);
    backend_.copy_to_host(at.data, &log_scale, 1);
    const auto [loss, scale_gradient, accuracy] =
        contrastive_loss<float>(outputs, static_cast<double>(log_scale), captions_, this->slopes());
    this->replace_gradient();
    backend_.for_each(1, detail::fill<float>{model_.gradients().data + model_.network().logit_scale(),
                                             static_cast<float>(scale_gradient)});
    const double norm = this->move(loss);
    backend_.for_each(1, detail::keep_at_most{at.data, largest_log_scale});
    return {step, loss, norm, accuracy, std::exp(static_cast<double>(log_scale))};
  }

 private:
  static constexpr float largest_log_scale = 4.605170185988092f;  // ln 100

  std::vector<index_t> captions_;
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/figure.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/loss/bradley_terry.hpp>
#include <fewstep/optimizer/parameter_update.hpp>
#include <fewstep/reward_model/preference_model.hpp>
#include <fewstep/reward_model/preference_source.hpp>

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
class preference_training {
  static_assert(detail::require_optimizer<Optimizer, Backend>());

 public:
  using options = preference_training_options;
  using report = preference_training_report;

  preference_training(Backend& backend, preference_model<Backend>& model, Optimizer optimizer, const options& o)
      : backend_(backend),
        model_(model),
        options_(checked(o)),
        optimizer_(checked_part(std::move(optimizer))),
        update_(backend, model, optimizer_,
                {.who = options::name,
                 .max_gradient_norm = o.max_gradient_norm,
                 .ema = {.decay = o.ema_decay, .warmup = true},
                 .schedule = o.schedule}),
        batch_(o.batch),
        workspace_(model.make_workspace(backend, length_product(2, o.batch))),
        pictures_(backend, length_product(2, o.batch, model.sample_size())),
        texts_(backend, 2 * o.batch),
        rewards_(backend, 2 * o.batch),
        slopes_(backend, 2 * o.batch) {}

  [[nodiscard]] std::int64_t index() const { return update_.index(); }
  [[nodiscard]] bool finished() const { return index() >= options_.steps; }
  /// Exponential moving average of the parameters; empty without one.
  [[nodiscard]] vec<const float> ema() const& { return update_.ema(); }
  needs_a_named_object ema() const&& = delete;

  /// One optimizer step on one batch of pairs from the source.
  template <class Source>
  report step(Source& source) {
    const index_t rows = 2 * batch_;
    const matrix<float> pictures{pictures_.host().data(), {rows, model_.sample_size()}};
    const auto texts = texts_.host().first(static_cast<std::size_t>(batch_));
    if constexpr (detail::require_preference_source<Source, token_list>())
      source(index(), pictures.subview(0, batch_), pictures.subview(batch_, batch_), texts);
    const bool reads_texts = model_.network().reads_texts();
    if (reads_texts) {
      model_.expect_known(texts);
      std::copy(texts.begin(), texts.end(), texts_.host().begin() + batch_);
      texts_.upload(backend_);
    }
    pictures_.upload(backend_);
    model_.forward(backend_,
                   {{pictures_.device(), pictures.extents},
                    reads_texts ? token_matrix(texts_.view()) : matrix<const std::int32_t>{}},
                   {rewards_.device(), {rows, 1}}, workspace_);
    rewards_.download(backend_);
    const auto [loss, accuracy] =
        bradley_terry_loss<float>(vec<const float>{rewards_.host().data(), {rows}},
                                  static_cast<double>(options_.label_smoothing), {slopes_.host().data(), {rows}});
    slopes_.upload(backend_);
    const vec<float> g = model_.gradients();
    backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
    model_.backward(backend_, {slopes_.device(), {rows, 1}}, workspace_);
    const std::int64_t step = index();
    const double norm = update_.step(optimizer_, loss);
    update_.next();
    return {step, loss, norm, accuracy};
  }

  template <class Archive>
  void serialize(Archive& archive) {
    match_settings(archive, options_);
    match_part(archive, "model", model_);
    match_part(archive, "optimizer", optimizer_);
    update_.serialize(archive);
  }

 private:
  Backend& backend_;
  preference_model<Backend>& model_;
  options options_;
  Optimizer optimizer_;
  parameter_update<Backend, preference_model<Backend>, Optimizer> update_;
  index_t batch_;
  typename preference_model<Backend>::workspace workspace_;
  mirrored<float, Backend> pictures_;
  mirrored<token_list, Backend> texts_;
  mirrored<float, Backend> rewards_, slopes_;
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/optimizer/parameter_update.hpp>
#include <fewstep/reward_model/reward_model_rows.hpp>

#include <cstdint>
#include <span>
#include <utility>

namespace fewstep {

/// What trainings of reward models have in common: a model, its optimizer, and a batch of `rows` pictures and texts
/// with the outputs and the slopes of the loss by them. A training fills pictures() and texts(), calls forward(), has a
/// loss write slopes(), and calls replace_gradient() and move(). Options has steps, max_gradient_norm, ema_decay and
/// schedule.
template <class Backend, class Model, class Optimizer, class Options>
class reward_model_training {
  static_assert(detail::require_optimizer<Optimizer, Backend>());

 public:
  using options = Options;

  [[nodiscard]] std::int64_t index() const { return update_.index(); }
  [[nodiscard]] bool finished() const { return index() >= options_.steps; }
  /// Exponential moving average of the parameters; empty without one.
  [[nodiscard]] vec<const float> ema() const& { return update_.ema(); }
  needs_a_named_object ema() const&& = delete;

  template <class Archive>
  void serialize(Archive& archive) {
    match_settings(archive, options_);
    match_part(archive, "model", model_);
    match_part(archive, "optimizer", optimizer_);
    update_.serialize(archive);
  }

 protected:
  reward_model_training(Backend& backend, Model& model, Optimizer optimizer, const Options& o, index_t rows)
      : backend_(backend),
        model_(model),
        options_(checked(o)),
        optimizer_(checked_part(std::move(optimizer))),
        update_(backend, model, optimizer_, training_update(o)),
        rows_(rows),
        workspace_(model.make_workspace(backend, rows)),
        pictures_(backend, length_product(rows, model.sample_size())),
        texts_(backend, rows),
        outputs_(backend, length_product(rows, model.outputs())),
        slopes_(backend, length_product(rows, model.outputs())) {}

  [[nodiscard]] matrix<float> pictures() { return {pictures_.host().data(), {rows_, model_.sample_size()}}; }
  [[nodiscard]] std::span<token_list> texts() { return texts_.host(); }
  /// d loss / d outputs.
  [[nodiscard]] matrix<float> slopes() { return {slopes_.host().data(), {rows_, model_.outputs()}}; }

  /// The outputs of the batch; of the pictures alone where the model `reads_texts` not.
  matrix<const float> forward(bool reads_texts) {
    pictures_.upload(backend_);
    if (reads_texts) texts_.upload(backend_);
    const array_extents<2> of_outputs{rows_, model_.outputs()};
    model_.forward(backend_,
                   reward_model_rows<float>{{pictures_.device(), {rows_, model_.sample_size()}},
                                            reads_texts ? token_matrix(texts_.view()) : matrix<const std::int32_t>{}},
                   {outputs_.device(), of_outputs}, workspace_);
    outputs_.download(backend_);
    return {outputs_.host().data(), of_outputs};
  }
  /// The gradient of the loss takes the place of the model's gradients.
  void replace_gradient() {
    slopes_.upload(backend_);
    const vec<float> g = model_.gradients();
    backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
    model_.backward(backend_, {slopes_.device(), {rows_, model_.outputs()}}, workspace_);
  }
  /// The optimizer's step along it; returns its norm.
  double move(double loss) {
    const double norm = update_.step(optimizer_, loss);
    update_.next();
    return norm;
  }

  Backend& backend_;
  Model& model_;
  Options options_;

 private:
  Optimizer optimizer_;
  parameter_update<Backend, Model, Optimizer> update_;
  index_t rows_;
  typename Model::workspace workspace_;
  mirrored<float, Backend> pictures_;
  mirrored<token_list, Backend> texts_;
  mirrored<float, Backend> outputs_, slopes_;
};

}  // namespace fewstep

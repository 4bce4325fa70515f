// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/consistency_training_report.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/loss/consistency_loss.hpp>
#include <fewstep/loss/consistency_times.hpp>
#include <fewstep/loss/example_source.hpp>
#include <fewstep/optimizer/parameter_update.hpp>

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

namespace fewstep {

struct consistency_training_options {
  std::int64_t steps = 5200;
  index_t batch = 48;
  int stages = 3;       ///< after stage 0, the plain denoiser; all take an equal share of the steps
  int first_stage = 0;  ///< 1: begin with a model that is a denoiser already
  float log_time_mean = -1.1f,
        log_time_deviation = 2.0f;  ///< ln t ~ N(mean, deviation^2), kept within the model's times
  float q = 2, k = 8, b = 1;        ///< of the mapping t -> r
  float huber = 0;                  ///< c of the pseudo-Huber distance over the whole sample
  float sigma_data = 0.5f;          ///< of stage 0's weight
  float max_gradient_norm = 1;
  float ema_decay = 0.999f;  ///< of the EMA, which warms up (ema_rule); 0: none is kept
  linear_schedule schedule{};
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "consistency_training";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("steps", steps, at_least(1));
    visit("batch", batch, at_least(1));
    visit("stages", stages, at_least(0));
    visit("first_stage", first_stage, between(0, stages).remark("stages is the last"));
    visit("log_time_mean", log_time_mean);
    visit("log_time_deviation", log_time_deviation, at_least(0));
    visit("q", q, above(1));
    visit("k", k, at_least(0));
    visit("b", b);
    visit("huber", huber, at_least(0));
    visit("sigma_data", sigma_data, above(0));
    visit("max_gradient_norm", max_gradient_norm, at_least(0).or_infinite().remark("0: no clipping"));
    visit("ema_decay", ema_decay, at_least(0).below(1));
    visit("schedule", schedule);
    visit("seed", seed);
  }
};

/// Easy consistency tuning: Geng et al. 2024 (arXiv:2406.14548). A denoiser is trained first (stage 0, r = 0); then
/// stage s pulls f(x_t, t) to f(x_r, r) at the same noise with
///   r = max(0, t (1 - q^-s (1 + k sigmoid(-b t)))),
/// the loss per sample being w (sqrt(|f_t - f_r|^2 + c^2) - c) with w = 1 / (t - r), and
/// w = sqrt(1/t^2 + 1/sigma_data^2) in stage 0 (Karras et al. 2022, table 1, square root since the loss is a norm).
template <class Backend, class Generator, class Optimizer,
          bool Fits = detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>() &&
                      detail::require_optimizer<Optimizer, Backend>()>
class consistency_training {
 public:
  using context_type = typename Generator::context_type;
  using report = consistency_training_report;

  consistency_training(Backend& backend, Generator& model, Optimizer optimizer, consistency_training_options o)
      : backend_(backend),
        model_(model),
        optimizer_(checked_part(std::move(optimizer))),
        options_(checked(o)),
        size_(model.sample_size()),
        update_(backend, model, optimizer_, training_update(o)),
        workspace_(detail::make_workspace(backend, model, o.batch)),
        clean_(backend, length_product(o.batch, size_)),
        noised_(backend, {o.batch, size_}),
        earlier_(backend, {o.batch, size_}),
        output_(backend, {o.batch, size_}),
        earlier_output_(backend, {o.batch, size_}),
        times_(backend, o.batch),
        earlier_times_(backend, o.batch),
        losses_(backend, o.batch),
        contexts_(backend, o.batch),
        noise_(backend, 1) {
    expects(o.steps <= std::numeric_limits<std::int64_t>::max() / (std::int64_t{o.stages} + 1), [&] {
      return message("consistency_training: ", o.steps, " steps in ", o.stages, " stages cannot be counted; use fewer");
    });
  }

  [[nodiscard]] std::int64_t index() const { return update_.index(); }
  [[nodiscard]] bool finished() const { return index() >= options_.steps; }
  /// Exponential moving average of the parameters: what is worth keeping. Empty if ema_decay is 0.
  [[nodiscard]] vec<const float> ema() const& { return update_.ema(); }
  needs_a_named_object ema() const&& = delete;
  [[nodiscard]] int stage(std::int64_t step) const {
    const int first = options_.first_stage;
    return first + static_cast<int>(step * (std::int64_t{options_.stages} + 1 - first) / options_.steps);
  }

  /// One optimizer step on one batch from the source.
  template <class Source>
  report step(Source& source) {
    if constexpr (detail::require_example_source<Source, context_type>())
      source(index(), matrix<float>{clean_.host().data(), {options_.batch, size_}}, contexts_.host());
    if constexpr (!on_host<Backend> && requires { model_.expect_known(contexts_.host()); })
      model_.expect_known(contexts_.host());
    const int stage_now = stage(index());
    consistency_times{.log_mean = options_.log_time_mean,
                      .log_deviation = options_.log_time_deviation,
                      .q = options_.q,
                      .k = options_.k,
                      .b = options_.b,
                      .stage = stage_now}
        .draw(model_.preconditioner(), {options_.seed, stream::training_times},
              static_cast<std::uint64_t>(index() * options_.batch), times_.host(), earlier_times_.host());
    noise_.host()[0] = {options_.seed, static_cast<std::uint64_t>(index() * options_.batch)};
    (stage_now == 0 ? denoising_ : consistent_).run(backend_, [&] { add_gradient(stage_now == 0); });
    losses_.download(backend_);

    double loss = 0;
    for (const double value : losses_.host()) loss += value / static_cast<double>(options_.batch);
    const report made{index(), stage_now, loss, update_.step(optimizer_, loss)};
    update_.next();
    return made;
  }

  template <class Archive>
  void serialize(Archive& archive) {
    match_settings(archive, options_);
    match_part(archive, "optimizer", optimizer_);
    match_part(archive, "generator", model_);
    update_.serialize(archive);
  }

 private:
  /// Noise, forward, loss and backward of the batch that the host has prepared.
  void add_gradient(bool denoises) {
    for (auto* of_rows : {&times_, &earlier_times_, &clean_}) of_rows->upload(backend_);
    contexts_.upload(backend_);
    noise_.upload(backend_);
    auto p = model_.preconditioner();
    const matrix<const float> clean{clean_.device(), {options_.batch, size_}};
    noise_examples(backend_, noised_examples<decltype(p)>{clean, noised_.view(), earlier_.view(), times_.device(),
                                                          earlier_times_.device(), p, noise_.device()});
    if (!denoises)
      detail::predict(backend_, model_, {earlier_.view(), earlier_times_.view(), contexts_.view()},
                      earlier_output_.view(), workspace_);
    const batch<context_type> rows{noised_.view(), times_.view(), contexts_.view()};
    detail::forward(backend_, model_, rows, output_.view(), workspace_);
    apply_loss(backend_, consistency_loss<decltype(p)>{clean, noised_.view(), earlier_.view(), earlier_output_.view(),
                                                       output_.view(), times_.device(), earlier_times_.device(),
                                                       losses_.device(), p, static_cast<double>(options_.huber),
                                                       static_cast<double>(options_.sigma_data), denoises});
    const vec<float> g = model_.gradients();
    backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
    detail::backward(backend_, model_, rows, output_.view(), workspace_);
  }

  Backend& backend_;
  Generator& model_;
  Optimizer optimizer_;
  consistency_training_options options_;
  index_t size_;
  parameter_update<Backend, Generator, Optimizer> update_;
  workspace_of<Generator> workspace_;
  mirrored<float, Backend> clean_;
  tensor<float, 2, Backend> noised_, earlier_, output_, earlier_output_;
  mirrored<float, Backend> times_, earlier_times_;
  mirrored<double, Backend> losses_;
  mirrored<context_type, Backend> contexts_;
  mirrored<rollout_noise, Backend> noise_;
  repeated<Backend> denoising_, consistent_;
};

/// Stands in for a training whose parts do not fit: what is missing has been said, and the compiler need not go on.
template <class Backend, class Generator, class Optimizer>
class consistency_training<Backend, Generator, Optimizer, false> {
 public:
  consistency_training(Backend&, Generator&, Optimizer, consistency_training_options) {}
  std::int64_t index() const { return {}; }
  bool finished() const { return true; }
  vec<const float> ema() const { return {}; }
  int stage(std::int64_t) const { return {}; }
  template <class Source>
  consistency_training_report step(Source&) {
    return {};
  }
  template <class Archive>
  void serialize(Archive&) {}
};

}  // namespace fewstep

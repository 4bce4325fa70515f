// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/loss/consistency_loss.hpp>
#include <fewstep/loss/consistency_times.hpp>
#include <fewstep/loss/example_source.hpp>
#include <fewstep/mdp/transition.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace fewstep {

struct consistency_regularizer_options {
  float weight = 1;           ///< of the loss
  consistency_times times{};  ///< how t and r are drawn; the stage is the one that pretraining ended with
  float huber = 0;            ///< c of the pseudo-Huber distance over the whole sample

  static constexpr std::string_view name = "consistency_regularizer";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("weight", weight, at_least(0));
    visit("times", times);
    visit("huber", huber, at_least(0));
  }
};

/// Stands for the rollout's own results as the examples of a consistency_regularizer.
struct own_results {};

/// Keeps a generator that is trained for a reward a consistency function, so that its few steps go on agreeing: to the
/// loss is added weight times the consistency loss of consistency_training,
///   mean of (sqrt(|f(x_t, t) - f(x_r, r)|^2 + c^2) - c) / (t - r),   x_t = signal(t) x + noise(t) z, x_r likewise,
/// f(x_r, r) being held fixed. The examples x are the results of the rollout with their contexts (but for samples that
/// were left out), or a batch of an example_source, one for each update (it is asked with the number of the update,
/// which is below 0 where a gradient is only measured).
///
///   consistency_regularizer(backend, {.weight = 0.1f})                      // the generator's own samples
///   consistency_regularizer(backend, model, {.weight = 0.1f}, photographs)  // data
///
/// Source: Geng et al. 2024 (arXiv:2406.14548) for the loss; reward-guided training with a consistency loss beside the
/// reward's as in Li et al. 2024, "Reward Guided Latent Consistency Distillation" (arXiv:2403.11027).
template <class Backend, class Source = own_results, class Context = char>
class consistency_regularizer {
 public:
  using options = consistency_regularizer_options;

  explicit consistency_regularizer(Backend&, options o = {}) requires std::same_as<Source, own_results>
      : options_(with_stage(checked(o))) {}
  template <class Generator>
  requires std::same_as<Context, typename Generator::context_type> consistency_regularizer(Backend&, const Generator&,
                                                                                           options o, Source source)
      : source_(std::move(source)), options_(with_stage(checked(o))) {}
  /// A copy has the source and the options, and is yet to be prepared.
  consistency_regularizer(const consistency_regularizer& other) requires std::copy_constructible<Source>
      : source_(other.source_), options_(other.options_) {}
  consistency_regularizer(consistency_regularizer&&) noexcept = default;
  consistency_regularizer& operator=(consistency_regularizer&&) noexcept = default;

  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit.part("source", source_);
  }

  template <class Generator>
  [[nodiscard]] std::size_t workspace_bytes(const Backend&, const Generator& model, index_t samples,
                                            index_t rows_at_once) const {
    const index_t rows = std::min(samples, rows_at_once), size = model.sample_size();
    const saturated_size b = samples;
    return ((saturated_size(4) * rows * size + 2 * b + (draws ? b * size : 0)) * sizeof(float) +
            b * (sizeof(double) + (draws ? sizeof(Context) : 0)))
        .value();
  }

  template <class Generator>
  void prepare(Backend& backend, Generator& model, const step_table&, index_t samples, index_t rows_at_once) {
    static_assert(!discrete_preconditioning<detail::preconditioning_of<Generator>>,
                  "fewstep::consistency_regularizer: noise levels are drawn from a continuum, but this generator has "
                  "discrete timesteps");
    rows_ = std::min(samples, rows_at_once);
    const index_t size = model.sample_size();
    for (auto* of_rows : {&noised_, &earlier_, &output_, &earlier_output_}) *of_rows = {backend, {rows_, size}};
    times_ = {backend, samples};
    earlier_times_ = {backend, samples};
    losses_ = {backend, samples};
    noise_ = {backend, 1};
    if constexpr (draws) {
      clean_ = {backend, length_product(samples, size)};
      contexts_ = {backend, samples};
    }
  }

  template <class Generator>
  double add_gradient(Backend& backend, Generator& model, workspace_of<Generator>& workspace,
                      const trajectory<Backend, typename Generator::context_type>& path, auxiliary_key key) {
    if (options_.weight == 0) return 0;
    const index_t samples = path.samples();
    const auto p = model.preconditioner();
    // Numbers of samples are below 2^56: those of an update and, above 2^40, of its step.
    const std::uint64_t number =
        static_cast<std::uint64_t>(key.update * samples) + (static_cast<std::uint64_t>(key.step) << 40);
    options_.times.draw(p, {key.seed, stream::training_times}, number, times_.host(), earlier_times_.host());
    times_.upload(backend);
    earlier_times_.upload(backend);
    const batch<typename Generator::context_type> all = examples(backend, model, path, key.update);
    const index_t examples_used = draws ? samples : path.kept();
    const auto clear_left_out = [&](matrix<float> of_rows, index_t first) {
      if constexpr (!draws) path.clear_left_out(backend, of_rows, first);
    };
    detail::each_part(samples, rows_, [&](index_t first, index_t count) {
      const auto at = [count](tensor<float, 2, Backend>& of_rows) { return of_rows.view().subview(0, count); };
      noise_.host()[0] = {key.seed, number + static_cast<std::uint64_t>(first)};
      noise_.upload(backend);
      const batch<typename Generator::context_type> examples = all.subview(first, count);
      const float* earlier_times = earlier_times_.device() + first;
      const matrix<float> o = at(output_);
      noise_examples(backend, noised_examples<decltype(p)>{examples.x, at(noised_), at(earlier_), examples.times.data,
                                                           earlier_times, p, noise_.device()});
      clear_left_out(at(noised_), first);
      clear_left_out(at(earlier_), first);
      detail::predict(backend, model, {at(earlier_), {earlier_times, {count}}, examples.contexts}, at(earlier_output_),
                      workspace);
      const batch<typename Generator::context_type> rows{at(noised_), examples.times, examples.contexts};
      detail::forward(backend, model, rows, o, workspace);
      apply_loss(backend, consistency_loss<decltype(p)>{
                              .clean = examples.x,
                              .noised = rows.x,
                              .earlier = at(earlier_),
                              .earlier_output = at(earlier_output_),
                              .output = o,
                              .times = examples.times.data,
                              .earlier_times = earlier_times,
                              .losses = losses_.device() + first,
                              .preconditioner = p,
                              .huber = static_cast<double>(options_.huber),
                              .sigma_data = 1,
                              .denoises = false,
                              .mean_over = static_cast<double>(examples_used) / static_cast<double>(options_.weight)});
      clear_left_out(o, first);
      detail::backward(backend, model, rows, o, workspace);
      backend.synchronize();  // before the host writes another noise_
    });
    losses_.download(backend);
    double loss = 0;
    for (index_t r = 0; r < samples; ++r)
      if (draws || !path.is_left_out(r))
        loss += static_cast<double>(options_.weight) * losses_.host()[static_cast<std::size_t>(r)] /
                static_cast<double>(examples_used);
    return loss;
  }

 private:
  static constexpr bool draws = !std::same_as<Source, own_results>;

  static options with_stage(const options& o) {
    expects(o.times.stage >= 1, [&] {
      return message("consistency_regularizer: times.stage is ", o.times.stage,
                     "; it must be at least 1, as stage 0 is a denoiser's");
    });
    return o;
  }

  /// Clean samples, the times they are noised to, and contexts.
  template <class Generator>
  batch<typename Generator::context_type> examples([[maybe_unused]] Backend& backend,
                                                   [[maybe_unused]] const Generator& model,
                                                   const trajectory<Backend, typename Generator::context_type>& path,
                                                   [[maybe_unused]] std::int64_t update) {
    if constexpr (draws) {
      if constexpr (detail::require_example_source<Source, Context>())
        source_(update, matrix<float>{clean_.host().data(), path.result().extents}, contexts_.host());
      if constexpr (!on_host<Backend> && requires { model.expect_known(contexts_.host()); })
        model.expect_known(contexts_.host());
      clean_.upload(backend);
      contexts_.upload(backend);
      return {{clean_.device(), path.result().extents}, times_.view(), contexts_.view()};
    } else {
      return {path.result(), times_.view(), path.row_contexts().subview(0, path.samples())};
    }
  }

  [[no_unique_address]] Source source_{};
  options options_;
  index_t rows_ = 0;
  tensor<float, 2, Backend> noised_, earlier_, output_, earlier_output_;
  mirrored<float, Backend> clean_, times_, earlier_times_;
  mirrored<Context, Backend> contexts_;
  mirrored<double, Backend> losses_;
  mirrored<rollout_noise, Backend> noise_;
};

template <class Backend>
consistency_regularizer(Backend&, consistency_regularizer_options = {}) -> consistency_regularizer<Backend>;
template <class Backend, class Generator, class Source>
consistency_regularizer(Backend&, const Generator&, consistency_regularizer_options, Source)
    -> consistency_regularizer<Backend, Source, typename Generator::context_type>;

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/decoder/decode.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/objective/trajectory_objective.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/device_reward.hpp>
#include <fewstep/reward/reward.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace fewstep {

/// A figure of held-out samples: the mean over prompts and its standard error. Differences of two such figures that
/// were made with the same noise are known better than their errors say.
struct held_out_figure {
  double mean = 0, error = 0;
  double left_out = 0;  ///< samples without a finite reward, if that is allowed

  /// Of one value for each prompt.
  [[nodiscard]] static held_out_figure of(std::span<const double> values) {
    held_out_figure figure;
    const auto n = static_cast<double>(values.size());
    for (const double value : values) figure.mean += value / n;
    double squares = 0;
    for (const double value : values) squares += (value - figure.mean) * (value - figure.mean);
    figure.error = values.size() > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
    return figure;
  }
};

/// What a policy makes of prompts that it is not trained on: `samples_per_prompt` samples of each, standing together,
/// always from the same noise, which no training of the same seed draws. Rate them with the reward that is trained
/// on, and with one that is not.
///
///   held_out_samples held_out(backend, generator, trainer.table(), prompts, 4);
///   ...
///   held_out.draw();
///   const held_out_figure trained = held_out.mean_reward(reward), other = held_out.mean_reward(another);
///
/// Backend and generator must outlive it. draw() allocates nothing.
template <class Backend, class Generator, class Decoder = identity_decoder>
class held_out_samples {
  static_assert(detail::require_predictor<Generator, Backend>());

 public:
  using context_type = typename Generator::context_type;
  static_assert(detail::require_decoder<Decoder, Backend, context_type>());

  held_out_samples(Backend& backend, Generator& model, step_table table, std::span<const context_type> prompts,
                   int samples_per_prompt, std::uint64_t seed = 0, Decoder decoder = {})
      : backend_(backend),
        model_(model),
        decode_(std::move(decoder)),
        samples_per_prompt_(samples_per_prompt),
        prompts_(static_cast<index_t>(prompts.size())),
        path_(backend, std::move(table), checked(prompts, samples_per_prompt), model.sample_size(),
              {.keeps_outputs = true}),
        decoded_(backend, {decodes ? path_.samples() : 0, decode_.decoded_size(path_.dimension())}),
        seen_(backend, length_product(path_.samples(), decode_.decoded_size(path_.dimension()))),
        workspace_(detail::make_workspace(backend, model, 0)),
        noise_{seed, first_sample},
        rewards_(static_cast<std::size_t>(path_.samples())) {
    for (index_t r = 0; r < path_.samples(); ++r)
      path_.set_context(r, prompts[static_cast<std::size_t>(r / samples_per_prompt)]);
    if constexpr (!on_host<Backend> && requires { model.expect_known(path_.contexts()); })
      model.expect_known(path_.contexts());
  }

  [[nodiscard]] index_t prompts() const { return prompts_; }
  [[nodiscard]] int samples_per_prompt() const { return samples_per_prompt_; }
  [[nodiscard]] std::span<const context_type> contexts() const& { return path_.contexts(); }
  needs_a_named_object contexts() const&& = delete;

  /// Samples [prompts * samples_per_prompt, decoded size] under the parameters as they are, in host memory; valid until
  /// the next call.
  matrix<const float> draw() & {
    mirrored_noise_.host()[0] = noise_;
    mirrored_noise_.upload(backend_);
    rollout(backend_, model_, workspace_, path_, path_.outputs(), std::as_const(mirrored_noise_).device(),
            reduction::mean, 0, path_.samples());
    if constexpr (decodes)
      decode(backend_, decode_, std::as_const(path_).result(), contexts_of_rows(), decoded_.view());
    const matrix<const float> shown = made();
    samples_ = {seen_.fetch(backend_, shown.data, 0, shown.size()), shown.extents};
    return samples_;
  }
  needs_a_named_object draw() && = delete;
  /// Those of the last draw.
  [[nodiscard]] matrix<const float> samples() const& { return samples_; }
  needs_a_named_object samples() const&& = delete;

  /// The mean reward of the samples that were drawn last. Rewards that are not finite may be left out, and prompts that
  /// have no other.
  template <class Reward>
  [[nodiscard]] held_out_figure mean_reward(Reward& reward, const reward_check& check = {}) {
    static_assert(detail::require_reward_on<Reward, Backend, context_type>());
    if constexpr (detail::rates_on_backend<Reward, Backend, context_type>) {
      mirrored<float, Backend> there(backend_, path_.samples());
      detail::rate_on_backend(backend_, reward, made(), contexts_of_rows(), there, rewards_);
    } else {
      reward(samples_, contexts(), std::span(rewards_));
    }
    std::size_t left_out = 0;
    try {
      left_out = count_non_finite(rewards_, fewstep::checked(check));
    } catch (const std::runtime_error&) {
      require_finite_samples(samples());
      throw;
    }
    std::vector<double> means;
    const auto n = static_cast<std::size_t>(samples_per_prompt_);
    for (std::size_t first = 0; first < rewards_.size(); first += n) {
      double sum = 0, finite = 0;
      for (const float r : std::span(rewards_).subspan(first, n)) {
        if (!std::isfinite(r)) continue;
        sum += static_cast<double>(r);
        finite += 1;
      }
      if (finite > 0) means.push_back(sum / finite);
    }
    held_out_figure figure = held_out_figure::of(means);
    figure.left_out = static_cast<double>(left_out);
    return figure;
  }

  /// Diversity within a prompt: the root mean square distance of its samples, in units of a value, over their pairs.
  [[nodiscard]] held_out_figure diversity() const {
    expects(samples_per_prompt_ > 1, "held_out_samples: one sample of a prompt has no diversity; draw at least 2");
    return over_prompts([&](index_t first, index_t last) {
      double sum = 0;
      for (index_t i = first; i < last; ++i)
        for (index_t j = first; j < i; ++j)
          sum += std::sqrt(detail::squared_distance(samples_.row(i), samples_.row(j), samples_.cols()) /
                           static_cast<double>(samples_.cols()));
      return sum / (static_cast<double>((last - first) * (last - first - 1)) / 2);
    });
  }

  /// KL(policy, reference) of the noisy steps of the samples that were drawn last: exact from the means, the mean over
  /// the values of a sample, summed over the steps. The reference predicts what the generator does, as for
  /// kl_to_reference. Overwrites the outputs of the draw, so ask once a draw. Refuses the generator itself.
  template <class Reference>
  [[nodiscard]] held_out_figure divergence_from(Reference& reference) {
    expects(
        !detail::share_parameters(reference, model_),
        "held_out_samples: the reference has the parameters of the generator, so its divergence is 0 for ever; give "
        "a second generator with a copy of the parameters before training");
    const index_t samples = path_.samples(), rows = path_.trained_rows(), first = path_.first_trained_row();
    if (!scratch_) scratch_.emplace(backend_, rows, path_.dimension());
    auto workspace = detail::make_workspace(backend_, reference, 0);
    const matrix<float> theirs = scratch_->reference.view();
    detail::predict(backend_, reference, path_.rows(first, rows), theirs, workspace);
    score_rows(backend_, scored_rows<detail::weighted_log_ratio>{
                             .x = path_.states().subview(first, rows),
                             .next = path_.states().subview(first + samples, rows),
                             .o = path_.outputs().subview(first, rows),
                             .reference = theirs,
                             .step = path_.step_of_row().device() + first,
                             .old_log_probability = std::as_const(path_).log_probabilities() + first,
                             .advantage = scratch_->advantages.device(),
                             .table = path_.step_rows(),
                             .settings = scratch_->settings.device(),
                             .scores = scratch_->scores.device(),
                             .scored = path_.table().scored});
    scratch_->scores.download(backend_);
    return over_prompts([&](index_t first_sample_of, index_t last) {
      double sum = 0;
      for (index_t k = 0; k < rows / samples; ++k)
        for (index_t i = first_sample_of; i < last; ++i)
          sum += scratch_->scores.host()[static_cast<std::size_t>(k * samples + i)].reference_kl;
      return sum / static_cast<double>(last - first_sample_of);
    });
  }

 private:
  static constexpr bool decodes = !std::same_as<Decoder, identity_decoder>;
  /// Numbers that training does not come to.
  static constexpr std::uint64_t first_sample = std::uint64_t{1} << 48;

  struct comparison {
    tensor<float, 2, Backend> reference;
    mirrored<float, Backend> advantages;
    mirrored<loss_settings<detail::weighted_log_ratio>, Backend> settings;
    mirrored<score, Backend> scores;

    comparison(Backend& backend, index_t rows, index_t dimension)
        : reference(backend, {rows, dimension}),
          advantages(backend, rows),
          settings(backend, 1),
          scores(backend, rows) {
      advantages.upload(backend);
      settings.upload(backend);
    }
  };

  static index_t checked(std::span<const context_type> prompts, int samples_per_prompt) {
    expects(!prompts.empty() && samples_per_prompt >= 1, [&] {
      return message("held_out_samples: ", prompts.size(), " prompts and samples_per_prompt ", samples_per_prompt,
                     "; give at least one of each");
    });
    const index_t samples = length_product(prompts.size(), samples_per_prompt);
    expects(std::in_range<std::int32_t>(samples), [&] {
      return message("held_out_samples: ", prompts.size(), " prompts with samples_per_prompt ", samples_per_prompt,
                     " are ", samples, " samples, which have numbers of 32 bits; use fewer of either");
    });
    return samples;
  }

  /// What was drawn, on the backend, and what for.
  [[nodiscard]] matrix<const float> made() const { return decodes ? decoded_.view() : path_.result(); }
  [[nodiscard]] auto contexts_of_rows() const { return path_.rows(0, path_.samples()).contexts; }

  template <class OfPrompt>
  [[nodiscard]] held_out_figure over_prompts(const OfPrompt& value) const {
    std::vector<double> values;
    for (index_t p = 0; p < prompts_; ++p)
      values.push_back(value(p * samples_per_prompt_, (p + 1) * samples_per_prompt_));
    return held_out_figure::of(values);
  }

  Backend& backend_;
  Generator& model_;
  Decoder decode_;
  int samples_per_prompt_;
  index_t prompts_;
  trajectory<Backend, context_type> path_;
  tensor<float, 2, Backend> decoded_;
  fetched<float, Backend> seen_;
  workspace_of<Generator> workspace_;
  rollout_noise noise_;
  mirrored<rollout_noise, Backend> mirrored_noise_{backend_, 1};
  std::vector<float> rewards_;
  matrix<const float> samples_;
  std::optional<comparison> scratch_;
};

}  // namespace fewstep

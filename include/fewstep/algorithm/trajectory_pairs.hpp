// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/batch_options.hpp>
#include <fewstep/algorithm/experience.hpp>
#include <fewstep/algorithm/experience_options.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/published.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/preference/preference_rows.hpp>
#include <fewstep/preference/segment_map.hpp>
#include <fewstep/preference/transition_targets.hpp>
#include <fewstep/sampler/step_selection.hpp>
#include <fewstep/sampler/step_table.hpp>
#include <fewstep/sampler/windowed_table.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

struct trajectory_pairs_options {
  published<int> horizon{};  ///< network calls per sample; else 20
  float tie = 0;             ///< rewards that differ by no more are a tie
  batch_options batch{};     ///< else two samples of each of 10 prompts, from one initial state

  static constexpr std::string_view name = "trajectory_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("horizon", horizon, at_least(1));
    visit("tie", tie, at_least(0));
    visit("batch", batch);
  }
};

/// The options, what they do not say being that of D3PO.
[[nodiscard]] inline trajectory_pairs_options with_defaults(trajectory_pairs_options o) {
  o.horizon = o.horizon.or_else(20);
  o.batch = with_defaults(o.batch, {.prompts = 10, .samples_per_prompt = 2, .shared_initial_noise = true});
  return o;
}

/// Comparisons of the model's own trajectories: for prompts that are drawn, samples from a shared initial state are
/// rated, and every two of a prompt are a pair, of which the one with the higher reward is preferred at each of its
/// trained steps. The reward counts by its order only; of pareto_rewards, by theirs. Source: Yang et al. 2023, D3PO,
/// arXiv:2311.13231, equation 14 and section 5.2.
///
///   preference_optimization trainer(backend, model, trajectory_pairs(backend, model, reward, ddim_sampler{}), parts);
///   trainer.update(contexts);
template <class Backend, class Generator, class Reward, class Decoder = identity_decoder>
class trajectory_pairs {
 public:
  using context_type = typename Generator::context_type;
  static constexpr int members = 2;

  template <class Sampler>
  trajectory_pairs(Backend& backend, Generator& model, Reward reward, const Sampler& sampler,
                   trajectory_pairs_options o = {}, Decoder decoder = {})
      : reward_(std::move(reward)),
        decoder_(std::move(decoder)),
        options_(fitting(checked(with_defaults(o)))),
        table_(windowed_table(sampler, model.preconditioner(), options_.horizon, 0, all_steps{}, name).full()),
        experience_(backend, model, table_, experience_of(options_), decoder_),
        sampling_bytes_((saturated_size(experience_type::workspace_bytes(backend, model, experience_of(options_))) +
                         experience_type::decoder_bytes(backend, decoder_, experience_of(options_)))
                            .value()),
        numbers_(backend, 2 * comparisons()),
        steps_(backend, 2 * comparisons()),
        samples_(backend, 2 * comparisons()),
        times_(backend, 2 * comparisons()),
        scales_(backend, 2 * comparisons()),
        labels_(backend, 2 * comparisons()) {
    expects(table_.scored.is_all(), [] {
      return message(name,
                     ": the sampler scores some coordinates only, but pairs are compared by all; give the sampler "
                     "without scored_part");
    });
    std::size_t row = 0;
    for (index_t c = 0; c < comparisons(); ++c)
      for (int m = 0; m < members; ++m, ++row) {
        const int step = table_.first_trained + static_cast<int>(c % table_.trained);
        const auto [first, second] = pair(c / table_.trained);
        const index_t sample = m == 0 ? first : second;
        const step_row& of_step = table_.rows[static_cast<std::size_t>(step)];
        numbers_.host()[row] = step * experience_.path().samples() + sample;
        steps_.host()[row] = step;
        samples_.host()[row] = static_cast<std::int32_t>(sample);
        times_.host()[row] = of_step.time;
        scales_.host()[row] = static_cast<float>(transition_scale(of_step));
      }
  }

  static constexpr std::string_view name = trajectory_pairs_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit("steps", table_);
    visit.part("reward", reward_);
    visit.part("decoder", decoder_);
  }

  /// Of the trained steps of all pairs; those of a pair stand together.
  [[nodiscard]] index_t comparisons() const {
    const index_t m = options_.batch.samples_per_prompt.value();
    return options_.batch.prompts.value() * (m * (m - 1) / 2) * table_.trained;
  }
  [[nodiscard]] segment_map segments() const { return {}; }
  [[nodiscard]] const step_table& table() const { return table_; }
  /// Of the last rollout.
  [[nodiscard]] std::span<const float> rewards() const& { return experience_.rewards(); }
  needs_a_named_object rewards() const&& = delete;

  [[nodiscard]] std::size_t bytes() const {
    const saturated_size rows = 2 * comparisons();
    const index_t size = experience_.path().dimension();
    return (saturated_size(sampling_bytes_) + rows * (sizeof(index_t) + 2 * sizeof(std::int32_t) + 3 * sizeof(float)) +
            experience_type::bytes(table_.horizon(), experience_of(options_), size, decoder_.decoded_size(size)))
        .value();
  }
  [[nodiscard]] std::size_t row_bytes(index_t rows_at_once) const {
    return (saturated_size(rows_at_once) * experience_.path().dimension() * (2 * sizeof(float))).value();
  }
  void prepare(Backend& backend, Generator& model, index_t rows_at_once) {
    numbers_.upload(backend);
    steps_.upload(backend);
    samples_.upload(backend);
    times_.upload(backend);
    scales_.upload(backend);
    states_ = {backend, {rows_at_once, model.sample_size()}};
    target_ = {backend, {rows_at_once, model.sample_size()}};
  }

  /// Samples and rates, and labels every pair. Throws as experience does.
  void collect(Backend& backend, Generator& model, experience_key key, std::span<const context_type> contexts) {
    experience_.collect(backend, model, reward_, decoder_, contexts, key, reduction::mean);
    std::size_t row = 0;
    for (index_t c = 0; c < comparisons(); ++c) {
      const auto [first, second] = pair(c / table_.trained);
      const float label = label_of(first, second);
      labels_.host()[row++] = label;
      labels_.host()[row++] = -label;
    }
    labels_.upload(backend);
  }

  /// Rows [first, first + count), gathered from the trajectories.
  [[nodiscard]] preference_rows<context_type> rows(Backend& backend, Generator&, index_t first, index_t count) {
    const auto& path = experience_.path();
    const matrix<float> x = states_.view().subview(0, count), target = target_.view().subview(0, count);
    backend.for_each(count, detail::gather_states{numbers_.device() + first, path.states(), path.samples(), x, target});
    backend.for_each(count, detail::transition_targets{x, target, steps_.device() + first, path.step_rows()});
    const context_rows<context_type> contexts{path.row_contexts().values, samples_.device() + first, count};
    return {{x, times_.view().subview(first, count), contexts},
            target,
            scales_.view().subview(first, count),
            {labels_.device() + first, {count, 1}},
            members};
  }

 private:
  using experience_type = experience<Backend, Generator, Reward, Decoder>;

  [[nodiscard]] static trajectory_pairs_options fitting(const trajectory_pairs_options& o) {
    expects(o.batch.samples_per_prompt >= 2, [&] {
      return message(name, ": batch.samples_per_prompt is ", o.batch.samples_per_prompt.value(),
                     ", but samples of a prompt are compared; use at least 2");
    });
    const double m = o.batch.samples_per_prompt.value(),
                 rows = o.batch.prompts.value() * m * (m - 1) * o.horizon.value();
    expects(rows <= std::numeric_limits<std::int32_t>::max(), [&] {
      return message(name, ": all pairs of ", m, " samples of a prompt make ", rows,
                     " rows, which have numbers of 32 bits; use fewer samples_per_prompt");
    });
    return o;
  }
  [[nodiscard]] static experience_options experience_of(const trajectory_pairs_options& o) {
    return {.prompts = o.batch.prompts,
            .samples_per_prompt = o.batch.samples_per_prompt,
            .shared_initial_noise = o.batch.shared_initial_noise,
            .rewards = o.batch.rewards,
            .least_together = 2,
            .caller = name};
  }

  /// The samples of pair p: of a prompt, (0, 1), (0, 2), (1, 2), (0, 3) ...
  [[nodiscard]] std::pair<index_t, index_t> pair(index_t p) const {
    const index_t m = options_.batch.samples_per_prompt.value(), of_prompt = m * (m - 1) / 2;
    const index_t base = p / of_prompt * m;
    index_t second = 1, place = p % of_prompt;
    for (; place >= second; ++second) place -= second;
    return {base + place, base + second};
  }
  [[nodiscard]] float label_of(index_t first, index_t second) const {
    const auto& path = experience_.path();
    if (path.is_left_out(first) || path.is_left_out(second)) return 0;
    if constexpr (requires(std::unwrap_reference_t<Reward> & r) { r.label(first, second, options_.tie); })
      return static_cast<const std::unwrap_reference_t<Reward>&>(reward_).label(first, second, options_.tie);
    const std::span<const float> rewards = experience_.rewards();
    const float more = rewards[static_cast<std::size_t>(first)] - rewards[static_cast<std::size_t>(second)];
    return std::abs(more) <= options_.tie ? 0.0f : more > 0 ? 1.0f : -1.0f;
  }

  Reward reward_;
  Decoder decoder_;
  trajectory_pairs_options options_;
  step_table table_;
  experience_type experience_;
  std::size_t sampling_bytes_;  // of the network's workspace, its outputs and the decoder
  // By row of the comparisons: row of the trajectory, its step, sample, time and scale.
  mirrored<index_t, Backend> numbers_;
  mirrored<std::int32_t, Backend> steps_, samples_;
  mirrored<float, Backend> times_, scales_, labels_;
  tensor<float, 2, Backend> states_, target_;  // of the rows that were asked for last
};

template <class Backend, class Generator, class Reward, class Sampler, class... Rest>
trajectory_pairs(Backend&, Generator&, Reward, const Sampler&, Rest...)
    -> trajectory_pairs<Backend, Generator, Reward, identity_decoder>;
template <class Backend, class Generator, class Reward, class Sampler, class Decoder>
trajectory_pairs(Backend&, Generator&, Reward, const Sampler&, trajectory_pairs_options, Decoder)
    -> trajectory_pairs<Backend, Generator, Reward, Decoder>;

}  // namespace fewstep

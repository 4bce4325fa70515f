// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/experience_options.hpp>
#include <fewstep/algorithm/step_pairs_options.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/mdp/transition.hpp>
#include <fewstep/preference/preference_rows.hpp>
#include <fewstep/preference/segment_map.hpp>
#include <fewstep/preference/transition_targets.hpp>
#include <fewstep/reward/step_reward.hpp>
#include <fewstep/sampler/step_selection.hpp>
#include <fewstep/sampler/step_table.hpp>
#include <fewstep/sampler/windowed_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// Comparisons of single steps: at each step of a trajectory several next states are drawn from the same one, a judge
/// of steps scores them, the best and the worst are a pair, and the trajectory goes on from one that is drawn among
/// them. So a pair differs by one step only. The judge is a step_reward, of (x, next, step), whose scores count by the
/// difference of best and worst: they tie unless tanh(difference / 2), the gap of their softmax, is above least_gap.
/// Source: Liang et al. 2024, SPO, arXiv:2406.04314, and its code.
///
///   preference_optimization trainer(backend, model, step_pairs(backend, model, judge, ddim_sampler{}), parts);
///   trainer.update(contexts);
template <class Backend, class Generator, class Judge>
class step_pairs {
 public:
  using context_type = typename Generator::context_type;
  static constexpr int members = 2;
  static_assert(step_reward<Judge, context_type>,
                "fewstep::step_pairs: its judge is a step_reward: void operator()(const rated_step&, std::span<const "
                "Context> contexts, std::span<float> out) is missing");

  template <class Sampler>
  step_pairs(Backend& backend, Generator& model, Judge judge, const Sampler& sampler, step_pairs_options o = {})
      : judge_(std::move(judge)),
        options_(fitting(checked(with_defaults(o)))),
        table_(windowed_table(sampler, model.preconditioner(), options_.horizon, options_.first_compared, all_steps{},
                              name, "first_compared")
                   .full()),
        size_(model.sample_size()),
        network_bytes_(detail::workspace_bytes(backend, model, 0)),
        x_(backend, {prompts(), size_}),
        output_(backend, {prompts(), size_}),
        candidates_(backend, {options_.candidates * prompts(), size_}),
        from_(backend, {comparisons(), size_}),
        to_(backend, {2 * comparisons(), size_}),
        seen_x_(backend, x_.view().size()),
        seen_(backend, candidates_.view().size()),
        scores_(static_cast<std::size_t>(options_.candidates * prompts())),
        contexts_(backend, prompts()),
        noise_(backend, options_.candidates),
        times_of_step_(backend, length_product(table_.horizon(), prompts())),
        prompts_of_step_(backend, prompts()),
        chosen_(backend, 3 * prompts()),
        from_rows_(backend, 2 * comparisons()),
        to_rows_(backend, 2 * comparisons()),
        steps_(backend, 2 * comparisons()),
        prompt_of_row_(backend, 2 * comparisons()),
        times_(backend, 2 * comparisons()),
        scales_(backend, 2 * comparisons()),
        labels_(backend, 2 * comparisons()),
        rows_of_table_(backend, table_.horizon()) {
    expects(table_.scored.is_all(), [] {
      return message(name,
                     ": the sampler scores some coordinates only, but steps are compared by all; give the sampler "
                     "without scored_part");
    });
    for (index_t c = 0; c < comparisons(); ++c)
      for (int m = 0; m < members; ++m) {
        const auto [step, prompt] = place_of(c);
        const step_row& of_step = table_.rows[static_cast<std::size_t>(table_.first_trained + step)];
        const auto row = static_cast<std::size_t>(2 * c + m);
        from_rows_.host()[row] = step * prompts() + prompt;
        to_rows_.host()[row] = 2 * (step * prompts() + prompt) + m;
        steps_.host()[row] = table_.first_trained + static_cast<std::int32_t>(step);
        prompt_of_row_.host()[row] = static_cast<std::int32_t>(prompt);
        times_.host()[row] = of_step.time;
        scales_.host()[row] = static_cast<float>(transition_scale(of_step));
      }
    for (index_t p = 0; p < prompts(); ++p)
      prompts_of_step_.host()[static_cast<std::size_t>(p)] = static_cast<std::int32_t>(p);
    for (index_t i = 0; i < times_of_step_.size(); ++i)
      times_of_step_.host()[static_cast<std::size_t>(i)] = table_.rows[static_cast<std::size_t>(i / prompts())].time;
    std::ranges::copy(table_.rows, rows_of_table_.host().begin());
  }

  static constexpr std::string_view name = step_pairs_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit("steps", table_);
    visit.part("judge", judge_);
  }

  /// Of the compared steps of all trajectories. Each stretch of as many as there are prompts has every prompt once, at
  /// different steps.
  [[nodiscard]] index_t comparisons() const { return prompts() * table_.trained; }
  [[nodiscard]] segment_map segments() const { return {}; }
  [[nodiscard]] const step_table& table() const { return table_; }

  [[nodiscard]] std::size_t bytes() const {
    const saturated_size p = prompts(), c = comparisons();
    const saturated_size states = (p * (options_.candidates + 2) + c * 3) * size_;
    return (states * sizeof(float) + network_bytes_ + p * sizeof(context_type) +
            c * (4 * sizeof(index_t) + 4 * sizeof(std::int32_t) + 6 * sizeof(float)))
        .value();
  }
  [[nodiscard]] std::size_t row_bytes(index_t rows_at_once) const {
    return (saturated_size(rows_at_once) * size_ * (2 * sizeof(float))).value();
  }
  void prepare(Backend& backend, Generator& model, index_t rows_at_once) {
    for (auto* of_rows : {&from_rows_, &to_rows_}) of_rows->upload(backend);
    for (auto* of_rows : {&steps_, &prompt_of_row_, &prompts_of_step_}) of_rows->upload(backend);
    for (auto* of_rows : {&times_, &scales_, &times_of_step_}) of_rows->upload(backend);
    rows_of_table_.upload(backend);
    states_ = {backend, {rows_at_once, size_}};
    target_ = {backend, {rows_at_once, size_}};
    workspace_.emplace(detail::make_workspace(backend, model, 0));
  }

  /// Samples, draws candidates and labels. Throws what the judge throws, and std::runtime_error naming a candidate
  /// whose score is not finite.
  void collect(Backend& backend, Generator& model, experience_key key, std::span<const context_type> contexts) {
    draw_prompts(contexts, key);
    if constexpr (!on_host<Backend> && requires { model.expect_known(contexts_.host()); })
      model.expect_known(contexts_.host());
    for (int j = 0; j < options_.candidates; ++j)
      noise_.host()[static_cast<std::size_t>(j)] = {
          key.seed, static_cast<std::uint64_t>((key.update * options_.candidates + j) * prompts())};
    contexts_.upload(backend);
    noise_.upload(backend);
    const rollout_noise* noise = std::as_const(noise_).device();
    draw_initial_states(backend, initial_states{x_.view(), table_.initial_sigma, noise});
    for (int k = 0; k < table_.first_trained + table_.trained; ++k) {
      const bool compared = table_.trains(k);
      const context_rows<context_type> of_rows{contexts_.device(), prompts_of_step_.device(), prompts()};
      detail::ask(backend, model, {x_.view(), times_of_step_.view().subview(k * prompts(), prompts()), of_rows},
                  output_.view(), *workspace_);
      for (int j = 0; j < (compared ? options_.candidates.value() : 1); ++j)
        take_step(backend, transition_step{.x = x_.view(),
                                           .o = output_.view(),
                                           .next = candidate(j),
                                           .row = table_.rows[static_cast<std::size_t>(k)],
                                           .step = static_cast<std::uint32_t>(k),
                                           .noise = noise + j});
      if (compared)
        compare(backend, k, key);
      else
        backend.for_each(x_.view().size(), detail::copy<float>{candidates_.data(), x_.data()});
    }
    labels_.upload(backend);
  }

  /// Rows [first, first + count), gathered from the steps.
  [[nodiscard]] preference_rows<context_type> rows(Backend& backend, Generator&, index_t first, index_t count) {
    const matrix<float> x = states_.view().subview(0, count), target = target_.view().subview(0, count);
    backend.for_each(count, detail::gather_rows{from_rows_.device() + first, from_.view(), x});
    backend.for_each(count, detail::gather_rows{to_rows_.device() + first, to_.view(), target});
    backend.for_each(count, detail::transition_targets{x, target, steps_.device() + first, rows_of_table_.device()});
    const context_rows<context_type> contexts{contexts_.device(), prompt_of_row_.device() + first, count};
    return {{x, times_.view().subview(first, count), contexts},
            target,
            scales_.view().subview(first, count),
            {labels_.device() + first, {count, 1}},
            members};
  }

 private:
  struct place {
    index_t step, prompt;
  };

  /// Rows have numbers of 32 bits.
  [[nodiscard]] static step_pairs_options fitting(const step_pairs_options& o) {
    const double rows = 2.0 * o.prompts.value() * o.horizon.value() * o.candidates.value();
    expects(rows <= std::numeric_limits<std::int32_t>::max(), [&] {
      return message(name, ": ", o.candidates.value(), " candidates at ", o.horizon.value(), " steps of ",
                     o.prompts.value(), " prompts have no numbers of 32 bits; use fewer");
    });
    return o;
  }
  [[nodiscard]] index_t prompts() const { return options_.prompts.value(); }
  [[nodiscard]] matrix<float> candidate(int j) { return candidates_.view().subview(j * prompts(), prompts()); }
  /// Of a comparison: the compared step, from 0, and the prompt.
  [[nodiscard]] place place_of(index_t c) const {
    const index_t prompt = c % prompts();
    return {(c / prompts() + prompt) % table_.trained, prompt};
  }
  [[nodiscard]] index_t comparison_at(place at) const {
    const index_t t = table_.trained;
    return (at.step - at.prompt % t + t) % t * prompts() + at.prompt;
  }

  void draw_prompts(std::span<const context_type> contexts, experience_key key) {
    expects(!contexts.empty() && std::in_range<std::int32_t>(contexts.size()), [&] {
      return message(name, ": there are ", contexts.size(),
                     " prompts, which have numbers of 32 bits; give at least one, and not so many");
    });
    const random_stream random{key.seed, stream::prompts};
    for (index_t p = 0; p < prompts(); ++p)
      contexts_.host()[static_cast<std::size_t>(p)] = contexts[random.below(
          static_cast<std::uint32_t>(contexts.size()), static_cast<std::uint64_t>(key.update * prompts() + p))];
  }

  /// Scores the candidates of step k, keeps the best and the worst, and goes on from one that is drawn.
  void compare(Backend& backend, int k, experience_key key) {
    const index_t p = prompts();
    const matrix<const float> x{seen_x_.fetch(backend, x_.data(), 0, p * size_), {p, size_}};
    const float* next = seen_.fetch(backend, candidates_.data(), 0, candidates_.view().size());
    const auto n = static_cast<std::size_t>(p);
    for (int j = 0; j < options_.candidates; ++j)
      judge_(rated_step{k, table_.horizon(), x, {next + j * p * size_, {p, size_}}},
             std::span<const context_type>(contexts_.host()),
             std::span(scores_).subspan(static_cast<std::size_t>(j) * n, n));
    const random_stream random{key.seed, stream::resampling};
    for (index_t i = 0; i < p; ++i) {
      int best = 0, worst = 0;
      for (int j = 0; j < options_.candidates; ++j) {
        expect_finite(j, i, k);
        if (score(j, i) > score(best, i)) best = j;
        if (score(j, i) < score(worst, i)) worst = j;
      }
      const float label = std::tanh((score(best, i) - score(worst, i)) / 2) > options_.least_gap ? 1.0f : 0.0f;
      const auto row = static_cast<std::size_t>(2 * comparison_at({k - table_.first_trained, i}));
      labels_.host()[row] = label;
      labels_.host()[row + 1] = -label;
      const auto drawn = random.below(static_cast<std::uint32_t>(options_.candidates.value()),
                                      static_cast<std::uint64_t>(key.update * p + i), static_cast<std::uint32_t>(k));
      chosen_.host()[static_cast<std::size_t>(2 * i)] = best * p + i;
      chosen_.host()[static_cast<std::size_t>(2 * i + 1)] = worst * p + i;
      chosen_.host()[static_cast<std::size_t>(2 * p + i)] = index_t{drawn} * p + i;
    }
    chosen_.upload(backend);
    const index_t first = (k - table_.first_trained) * p;
    backend.for_each(p * size_, detail::copy<float>{x_.data(), from_.data() + first * size_});
    backend.for_each(2 * p,
                     detail::gather_rows{chosen_.device(), candidates_.view(), to_.view().subview(2 * first, 2 * p)});
    backend.for_each(p, detail::gather_rows{chosen_.device() + 2 * p, candidates_.view(), x_.view()});
  }
  [[nodiscard]] float score(int candidate, index_t prompt) const {
    return scores_[static_cast<std::size_t>(candidate * prompts() + prompt)];
  }
  void expect_finite(int candidate, index_t prompt, int k) const {
    if (!std::isfinite(score(candidate, prompt)))
      throw std::runtime_error(message(name, ": the score of candidate ", candidate, " of trajectory ", prompt,
                                       " at step ", k, " is ", score(candidate, prompt),
                                       "; scores must be finite: check what the judge computes"));
  }

  Judge judge_;
  step_pairs_options options_;
  step_table table_;
  index_t size_;
  std::size_t network_bytes_;
  tensor<float, 2, Backend> x_, output_, candidates_;  // of the step at hand; candidate j of prompt p is row j P + p
  tensor<float, 2, Backend> from_, to_;                // of all compared steps: [T P, D], and best and worst [2 T P, D]
  fetched<float, Backend> seen_x_, seen_;
  std::vector<float> scores_;  // [candidates, P]
  mirrored<context_type, Backend> contexts_;
  mirrored<rollout_noise, Backend> noise_;  // by candidate
  mirrored<float, Backend> times_of_step_;  // [H P]
  mirrored<std::int32_t, Backend> prompts_of_step_;
  mirrored<index_t, Backend> chosen_;  // rows of candidates: best and worst of each prompt, and those gone on from
  // By row of the comparisons.
  mirrored<index_t, Backend> from_rows_, to_rows_;
  mirrored<std::int32_t, Backend> steps_, prompt_of_row_;
  mirrored<float, Backend> times_, scales_, labels_;
  mirrored<step_row, Backend> rows_of_table_;
  tensor<float, 2, Backend> states_, target_;  // of the rows that were asked for last
  std::optional<workspace_of<Generator>> workspace_;
};

template <class Backend, class Generator, class Judge, class Sampler, class... Rest>
step_pairs(Backend&, Generator&, Judge, const Sampler&, Rest...) -> step_pairs<Backend, Generator, Judge>;

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/preference_means.hpp>
#include <fewstep/algorithm/preference_optimization_options.hpp>
#include <fewstep/algorithm/preference_parts.hpp>
#include <fewstep/algorithm/preference_report.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/optimizer/parameter_update.hpp>
#include <fewstep/preference/comparison_source.hpp>
#include <fewstep/preference/preference_rows.hpp>
#include <fewstep/preference/score_preferences.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

namespace fewstep {

/// Learning from comparisons: of log-ratios of the policy and a reference, on samples of which one was preferred. With
/// h the log-ratio of the winner less that of the loser, direct preference optimization descends -log sigmoid(beta h)
/// (Rafailov et al. 2023, arXiv:2305.18290; Wallace et al. 2023, arXiv:2311.12908).
///
/// Four parts make a member of the family: where comparisons come from and at which states of the process they are made
/// (a comparison_source: corrupted_pairs, trajectory_pairs), what a log-ratio is (preference_rows), what is made of it
/// (parts.link), and what it is compared with (parts.reference). The model's network is asked at all rows of the
/// source, in micro-batches that a memory budget decides and that never change a bit; where policy and reference are
/// one, every margin is exactly 0. An update that fails changes nothing; one without a label that is not a tie moves
/// nothing.
template <class Backend, class Generator, class Source, class Given,
          bool Fits = detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>() &&
                      detail::require_comparison_source<Source, Backend, Generator>() &&
                      detail::require_preference_parts<Backend, Generator, detail::complete_preference_parts<Given>>()>
class preference_optimization {
 public:
  using parts_type = detail::complete_preference_parts<Given>;
  using context_type = typename Generator::context_type;
  using report = preference_report;

  preference_optimization(Backend& backend, Generator& model, Source source, Given parts,
                          preference_optimization_options o = {})
      : backend_(backend),
        model_(model),
        source_(std::move(source)),
        parts_(checked(with_defaults(std::move(parts), usual_preference_parts{}))),
        options_(checked(with_defaults(o, {.optimizer_steps = 1, .training = {.max_gradient_norm = 1}}))),
        plan_(plan()),
        update_(backend, model, parts_.optimizer, options_.training.update(preference_optimization_options::name)),
        workspace_(detail::make_workspace(backend, model, plan_.rows)),
        output_(backend, {plan_.rows, model.sample_size()}),
        reference_(backend, {has_reference ? plan_.rows : 0, model.sample_size()}),
        loss_(backend, 1, loss_type{}),
        scores_(backend, source_.comparisons()),
        recorded_(static_cast<std::size_t>(options_.optimizer_steps)) {
    expects(options_.optimizer_steps <= source_.comparisons(), [&] {
      return message("preference_optimization: ", options_.optimizer_steps, " optimizer steps on ",
                     source_.comparisons(), " comparisons; use at most one step a comparison");
    });
    source_.prepare(backend, model, plan_.rows);
    if constexpr (has_reference) {
      parts_.reference.expect_other_than(model, preference_optimization_options::name,
                                         "every margin would be 0 for ever");
      const float least = model.preconditioner().min_time(), most = model.preconditioner().max_time();
      for (const float share : {0.0f, 0.25f, 0.5f, 0.75f, 1.0f})
        parts_.reference.expect_same_output(model, least + share * (most - least),
                                            preference_optimization_options::name);
      parts_.reference.prepare(backend);
    }
  }

  [[nodiscard]] std::int64_t index() const { return update_.index(); }
  /// Whether the state is that after update index() - 1, as a checkpoint wants it; not after an update that failed in
  /// its second or a later optimizer step.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] const memory_plan& memory() const { return plan_; }
  /// Settings of the link and the optimizer may be changed between updates; the reference stays.
  [[nodiscard]] parts_type& parts() { return parts_; }
  [[nodiscard]] Source& source() { return source_; }
  [[nodiscard]] const preference_optimization_options& options() const { return options_; }
  /// Exponential moving average (EMA) of the parameters; empty unless ema_decay is set.
  [[nodiscard]] vec<const float> ema() const& { return update_.ema(); }
  needs_a_named_object ema() const&& = delete;
  /// Of the last update, by comparison.
  [[nodiscard]] std::span<const preference_score> scores() const& { return scores_.host(); }
  needs_a_named_object scores() const&& = delete;

  /// One update on comparisons that the source has.
  report update() {
    if constexpr (detail::require_own_comparisons<Source, Backend, Generator>())
      return learn([&] { source_.collect(backend_, model_, {options_.training.seed, index()}); });
    else
      return {};
  }
  /// One update on comparisons that the source makes of the model's own samples for prompts drawn from `contexts`.
  report update(std::span<const context_type> contexts) {
    if constexpr (detail::require_comparisons_of_prompts<Source, Backend, Generator>())
      return learn([&] { source_.collect(backend_, model_, {options_.training.seed, index()}, contexts); });
    else
      return {};
  }
  report update(std::initializer_list<context_type> contexts) {
    return update(std::span(contexts.begin(), contexts.size()));
  }

  /// Everything that a resumed run needs, bit for bit.
  template <class Archive>
  void serialize(Archive& archive) {
    match_settings(archive, options_);
    match_settings(archive, parts_);
    match_part(archive, "comparisons", source_);
    match_part(archive, "generator", model_);
    update_.serialize(archive);
    if constexpr (requires { parts_.reference.serialize(backend_, archive); })
      parts_.reference.serialize(backend_, archive);
  }

 private:
  using clock = std::chrono::steady_clock;
  using link_type = decltype(parts_type::link);
  using reference_type = decltype(parts_type::reference);
  using loss_type = preference_loss<link_type>;
  using update_type = parameter_update<Backend, Generator, decltype(parts_type::optimizer)>;
  static constexpr bool has_reference = reference_type::exists;
  static constexpr int members = Source::members;

  template <class Collect>
  report learn(const Collect& collect) {
    const auto begin = clock::now();
    try {
      collect();
    } catch (...) {
      update_.require_finite();  // else the parameters are to blame
      throw;
    }
    const auto collected = clock::now();
    preference_means means;
    double norm = 0;
    for (int k = 0; k < options_.optimizer_steps; ++k) {
      const index_t c = source_.comparisons(), first = c * k / options_.optimizer_steps,
                    last = c * (k + 1) / options_.optimizer_steps;
      norm = std::max(norm, step(k, first, last, means));
      is_whole_ = false;
    }
    report made = means.report();
    made.index = index();
    made.gradient_norm = norm;
    made.sampling_seconds = std::chrono::duration<double>(collected - begin).count();
    made.training_seconds = std::chrono::duration<double>(clock::now() - collected).count();
    update_.next();
    if constexpr (has_reference) parts_.reference.follow(backend_, model_, index());
    is_whole_ = true;
    return made;
  }

  /// An optimizer step on comparisons [first, last); returns the norm of the gradient.
  double step(int k, index_t first, index_t last, preference_means& means) {
    loss_.host()[0] = {parts_.link, options_.safeguard, static_cast<double>(last - first), 0};
    if constexpr (detail::needs_batch_mean<link_type>()) {
      each_micro_batch(first, last, [&](const auto& rows, index_t c) {
        detail::predict(backend_, model_, rows.rows, output_.view().subview(0, rows.rows.rows()), workspace_);
        score(rows, c);
      });
      loss_.host()[0].batch_mean = mean_log_ratio(first, last);
    }
    recorded_[static_cast<std::size_t>(k)].run(backend_, [&] {
      const vec<float> g = model_.gradients();
      backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
      each_micro_batch(first, last, [&](const auto& rows, index_t c) {
        const matrix<float> o = output_.view().subview(0, rows.rows.rows());
        detail::forward(backend_, model_, rows.rows, o, workspace_);
        score(rows, c);
        detail::backward(backend_, model_, rows.rows, o, workspace_);
      });
    });
    scores_.download(backend_);
    preference_means of_step;
    for (const preference_score& s : scores_of(first, last)) {
      of_step.add(s);
      means.add(s);
    }
    if (of_step.is_empty()) return 0;
    return update_.step(parts_.optimizer, of_step.report().loss);
  }

  [[nodiscard]] std::span<const preference_score> scores_of(index_t first, index_t last) const {
    return std::span<const preference_score>(scores_.host())
        .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
  }

  template <class Work>
  void each_micro_batch(index_t first, index_t last, const Work& work) {
    loss_.upload(backend_);
    for (index_t row = first * members; row < last * members; row += plan_.rows)
      work(source_.rows(backend_, model_, row, std::min(plan_.rows, last * members - row)), row / members);
  }

  /// Scores rows whose comparisons begin at number c; their outputs become the gradient.
  void score(const preference_rows<context_type>& rows, index_t c) {
    const index_t n = rows.rows.rows();
    matrix<float> reference{nullptr, {n, model_.sample_size()}};
    if constexpr (has_reference) {
      reference = reference_.view().subview(0, n);
      parts_.reference.output(backend_, rows.rows, reference);
    }
    score_preferences(backend_, scored_preferences<link_type>{.o = output_.view().subview(0, n),
                                                              .target = rows.target,
                                                              .reference = reference,
                                                              .scale = rows.scale.data,
                                                              .labels = rows.labels,
                                                              .segments = source_.segments(),
                                                              .members = members,
                                                              .reduction = options_.reduction,
                                                              .loss = loss_.device(),
                                                              .scores = scores_.device() + c});
  }

  [[nodiscard]] double mean_log_ratio(index_t first, index_t last) {
    scores_.download(backend_);
    double mean = 0, count = 0;
    for (const preference_score& s : scores_of(first, last)) {
      if (s.has_winner) mean += (s.winner - mean) / ++count;
      if (s.has_loser) mean += (s.loser - mean) / ++count;
    }
    return mean;
  }

  /// Micro-batches are of whole comparisons.
  [[nodiscard]] memory_plan plan() const {
    const index_t block = row_block_of(model_), c = source_.comparisons();
    memory_plan fixed{
        .parameters = update_type::bytes(model_, parts_.optimizer, options_.training.ema()),
        .model = detail::held_bytes(model_, true),
        .trajectory = (saturated_size(source_.bytes()) + saturated_size(c) * sizeof(preference_score)).value()};
    if constexpr (has_reference) fixed.regularizer = parts_.reference.bytes(backend_);
    return fixed.fitted(
        options_.training.memory_budget, members * c, block % members == 0 ? block : members * block,
        [&](index_t rows) {
          const saturated_size arrays =
              saturated_size(rows) * model_.sample_size() * ((has_reference ? 2 : 1) * sizeof(float));
          return (arrays + source_.row_bytes(rows) + detail::workspace_bytes(backend_, model_, rows)).value();
        });
  }

  Backend& backend_;
  Generator& model_;
  Source source_;
  parts_type parts_;
  preference_optimization_options options_;
  memory_plan plan_;
  update_type update_;
  workspace_of<Generator> workspace_;
  tensor<float, 2, Backend> output_, reference_;
  mirrored<loss_type, Backend> loss_;
  mirrored<preference_score, Backend> scores_;
  std::vector<repeated<Backend>> recorded_;  // by optimizer step
  bool is_whole_ = true;
};

/// Stands in for a trainer whose parts do not fit: what is missing has been said, and the compiler need not go on.
template <class Backend, class Generator, class Source, class Given>
class preference_optimization<Backend, Generator, Source, Given, false> {
 public:
  using report = preference_report;
  preference_optimization(Backend&, Generator&, Source, Given, preference_optimization_options = {}) {}
  std::int64_t index() const { return {}; }
  bool is_whole() const { return {}; }
  memory_plan memory() const { return {}; }
  Given& parts();
  Source& source();
  preference_optimization_options options() const { return {}; }
  vec<const float> ema() const { return {}; }
  std::span<const preference_score> scores() const { return {}; }
  report update() { return {}; }
  template <class Contexts>
  report update(const Contexts&) {
    return {};
  }
  template <class Archive>
  void serialize(Archive&) {}
};

}  // namespace fewstep

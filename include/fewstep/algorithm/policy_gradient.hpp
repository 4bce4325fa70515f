// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>
#include <fewstep/algorithm/experience.hpp>
#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/mirror.hpp>
#include <fewstep/core/staged_archive.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/prompts.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/regularizer/regularizer.hpp>
#include <fewstep/reward/reward.hpp>
#include <fewstep/sampler/sampler.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fewstep {

/// Policy gradient on the Markov decision process of a few-step generator: sample, judge, replay, step.
/// RLCM (Oertell et al. 2024, algorithm 1), DDPO (Black et al. 2023) and GRPO are compositions of it.
///
/// Micro-batches follow from the memory budget and never change a bit; until the first optimizer step after a rollout
/// every importance ratio is exactly 1. An update whose rollout or reward fails changes nothing; one whose gradient is
/// not finite stops before the optimizer step in question.
template <class Backend, class Generator, class Parts, bool Fits>
class policy_gradient {
 public:
  using context_type = typename Generator::context_type;

  policy_gradient(Backend& backend, Generator& model, Parts parts, policy_gradient_options o = {})
      : backend_(backend),
        model_(model),
        parts_(std::move(parts)),
        options_(checked(o)),
        plan_(plan(table_of_steps())),
        experience_(backend, table_of_steps(), o.prompts_per_update, o.samples_per_prompt, model.sample_size(),
                    parts_.decode),
        replay_(backend, experience_.path(), o.optimizer_steps, plan_.rows),
        workspace_(model.make_workspace(backend, plan_.rows)),
        state_(parts_.rule.make_state(backend, model.parameters().size())),
        average_(backend, {o.average_decay > 0 ? model.parameters().size() : 0}),
        output_(backend, {std::max(plan_.rows, experience_type::rows_at_once(o.batch())), model.sample_size()}),
        reference_(backend, {has_reference ? plan_.rows : 0, model.sample_size()}),
        advantages_(backend, o.batch()),
        settings_(backend, 1, {parts_.objective_of, 0.0f, 1.0}),
        scores_(backend, experience_.path().trained_rows()),
        replays_(static_cast<std::size_t>(o.optimizer_steps)) {
    if constexpr (requires { parts_.objective_of.resolved(index_t{}, reduction{}); })
      parts_.objective_of = parts_.objective_of.resolved(model.sample_size(), o.over);
    if constexpr (requires { parts_.regularize.expect_same_outputs(model, table()); })
      parts_.regularize.expect_same_outputs(model, table());
    parts_.regularize.prepare(backend, plan_.rows);
    const vec<float> p = model.parameters();
    if (o.average_decay > 0) backend.for_each(p.size(), detail::copy<float>{p.data, average_.data()});
  }

  [[nodiscard]] std::int64_t index() const { return index_; }
  /// Whether the state is that after update index() - 1. It is not between sample() and train(), nor after an update
  /// that failed later than in its rollout or reward: a checkpoint of that would not resume bit for bit.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] const memory_plan& memory() const { return plan_; }
  [[nodiscard]] const step_table& table() const { return path().table(); }
  [[nodiscard]] Parts& parts() { return parts_; }
  [[nodiscard]] const policy_gradient_options& options() const { return options_; }
  /// Moving average of the parameters; empty unless average_decay is set.
  [[nodiscard]] vec<const float> average() const { return average_.view(); }
  /// Rewards, prompts and samples of the last rollout.
  [[nodiscard]] std::span<const float> rewards() const { return experience_.rewards(); }
  /// Which of the contexts each sample was made for.
  [[nodiscard]] std::span<const std::int32_t> prompts() const { return experience_.prompts(); }
  [[nodiscard]] matrix<const float> samples() const { return experience_.samples(); }

  /// One update: a rollout for prompts drawn from `contexts`, its rewards, and the optimizer steps on it.
  /// Throws without having changed anything if a reward is not finite.
  [[gnu::noinline]] update_report update(std::span<const context_type> contexts) {
    const auto begin = clock::now();
    sample(contexts);
    const auto judged = clock::now();
    update_report report = train();
    const auto end = clock::now();
    report.sampling_seconds = std::chrono::duration<double>(judged - begin).count();
    report.training_seconds = std::chrono::duration<double>(end - judged).count();
    return report;
  }

  /// Updates as a range: for (const auto& report : trainer.run(prompts, 100)). Each is made when it is asked for.
  [[nodiscard]] auto run(std::span<const context_type> contexts, std::int64_t updates) {
    return update_range<policy_gradient>(*this, {contexts.begin(), contexts.end()}, updates);
  }
  [[nodiscard]] auto run(const prompt_list& prompts, std::int64_t updates) {
    constexpr bool encodes = requires(const Generator& g, const std::string& text) {
      { g.encode(text) } -> std::same_as<context_type>;
    };
    static_assert(encodes,
                  "fewstep::policy_gradient: prompts are texts, but the generator has no context_type "
                  "encode(const std::string&) const; add it, or run(contexts, updates) with contexts of your own");
    std::vector<context_type> contexts;
    if constexpr (encodes)
      for (const std::string& text : prompts.texts) contexts.push_back(model_.encode(text));
    return update_range<policy_gradient>(*this, std::move(contexts), updates);
  }

  /// The rollout of the next update and its rewards and advantages.
  void sample(std::span<const context_type> contexts) {
    experience_.collect(backend_, model_, workspace_, output_.view(), parts_.reward_fn, parts_.decode, contexts,
                        {options_.seed, index_}, options_.over);
    is_whole_ = false;
    parts_.advantage_of(experience_.rewards(), experience_.prompts(), advantages_.host());
  }

  /// Adds the gradient of the loss over rows [first, last) of the replay order; they count as `total` rows of the mean.
  void accumulate(index_t first, index_t last, double total, update_report& report) {
    set_loss(total);
    add_gradient(first, last);
    add_scores(first, last, total, report);
  }

  /// The optimizer steps on the last rollout.
  update_report train() {
    update_report report = update_report::of(index_, experience_.rewards(), experience_.prompts());
    const index_t rows = path().trained_rows();
    const double passes = static_cast<double>(options_.inner_epochs);
    for (int epoch = 0; epoch < options_.inner_epochs; ++epoch) {
      replay_.begin_pass(backend_, options_.seed, static_cast<std::uint64_t>(index_ * options_.inner_epochs + epoch));
      for (int k = 0; k < options_.optimizer_steps; ++k) {
        const auto [first, last] = replay_.minibatch(k);
        const vec<float> g = model_.gradients();
        const auto total = static_cast<double>(last - first);
        set_loss(total);
        replays_[static_cast<std::size_t>(k)].run(backend_, [&, from = first, to = last] {
          backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
          add_gradient(from, to);
        });
        add_scores(first, last, total, report);
        const double norm = gradient_norm(backend_, g);
        if (!std::isfinite(norm))
          throw std::runtime_error(message("policy_gradient: update ", index_, " has the gradient norm ", norm,
                                           "; the parameters were not moved by it"));
        report.gradient_norm = std::max(report.gradient_norm, norm);
        parts_.rule.update(backend_, state_, {model_.parameters(), g, average_.view(), options_.average_decay},
                           {options_.schedule(index_), clip_factor(norm, options_.max_gradient_norm)});
      }
    }
    report.average_over(passes * static_cast<double>(options_.optimizer_steps), passes * static_cast<double>(rows));
    ++index_;
    is_whole_ = true;
    return report;
  }

  /// Everything that a resumed run needs, bit for bit. Random numbers have no state but the seed and the index.
  template <class Archive>
  void serialize(Archive& archive) {
    archive.must_match("seed", options_.seed);
    archive.must_match("horizon", options_.horizon);
    archive.must_match("first_trained", table().first_trained);
    archive.must_match("trained", table().trained);
    archive.must_match("reduction", options_.over);
    archive.must_match("inner_epochs", options_.inner_epochs);
    archive.must_match("optimizer_steps", options_.optimizer_steps);
    archive.must_match("max_gradient_norm", options_.max_gradient_norm);
    archive.must_match("average_decay", options_.average_decay);
    for (std::size_t k = 0; k < table().rows.size(); ++k) {
      archive.must_match(message("step_", k, "_time"), table().rows[k].time);
      archive.must_match(message("step_", k, "_sigma"), table().rows[k].sigma);
      archive.must_match(message("step_", k, "_b"), table().rows[k].b);
    }
    archive.must_match("prompts_per_update", options_.prompts_per_update);
    archive.must_match("samples_per_prompt", options_.samples_per_prompt);
    archive("index", index_);
    auto&& arrays = staged(archive, backend_);
    arrays("parameters", model_.parameters());
    arrays("average", average_.view());
    arrays("optimizer", state_);
    if constexpr (requires { parts_.advantage_of.serialize(archive); }) archive("advantage", parts_.advantage_of);
  }

 private:
  using clock = std::chrono::steady_clock;
  using regularizer_type = decltype(Parts::regularize);
  using reward_type = decltype(Parts::reward_fn);
  using optimizer_type = decltype(Parts::rule);
  using decoder_type = decltype(Parts::decode);
  using objective_type = decltype(Parts::objective_of);
  static constexpr bool has_reference = regularizer_type::has_reference;

  using experience_type = experience<Backend, context_type, reward_type, decoder_type>;

  [[nodiscard]] const trajectory<Backend, context_type>& path() const { return experience_.path(); }

  /// What add_gradient reads when it runs.
  void set_loss(double total) { settings_.host()[0] = {parts_.objective_of, parts_.regularize.coefficient(), total}; }

  /// Forward, scores and backward of rows [first, last) of the replay order, in micro-batches.
  void add_gradient(index_t first, index_t last) {
    settings_.upload(backend_);
    advantages_.upload(backend_);
    for (index_t at = first; at < last; at += plan_.rows) {
      const index_t count = std::min(plan_.rows, last - at);
      const replayed_rows<context_type> replayed = replay_.rows(backend_, path(), at, count);
      const matrix<float> o = output_.view().subview(0, count);
      matrix<float> reference{nullptr, o.extents};
      model_.forward(backend_, replayed.rows, o, workspace_);
      if constexpr (has_reference) {
        reference = reference_.view().subview(0, count);
        parts_.regularize.reference_output(backend_, replayed.rows, reference);
      }
      score_rows(backend_, scored_rows<objective_type>{.x = replayed.rows.x,
                                                       .next = replayed.next,
                                                       .o = o,
                                                       .reference = reference,
                                                       .rows = replayed.numbers,
                                                       .first = replayed.first,
                                                       .samples = path().samples(),
                                                       .table = path().step_rows(),
                                                       .old_log_probabilities = path().log_probabilities(),
                                                       .advantages = advantages_.device(),
                                                       .settings = settings_.device(),
                                                       .scores = scores_.device() + at,
                                                       .over = options_.over});
      model_.backward(backend_, replayed.rows, o, workspace_);
    }
  }

  void add_scores(index_t first, index_t last, double total, update_report& report) {
    scores_.download(backend_);
    for (index_t i = first; i < last; ++i)
      report.add(scores_.host()[static_cast<std::size_t>(i)], total, clip_range(), parts_.regularize.coefficient());
  }

  [[nodiscard]] step_table table_of_steps() const {
    step_table table = parts_.sampler.table(model_.preconditioner(), options_.horizon);
    check(table);
    expects(table.trained > 0, [&] {
      return message("policy_gradient: none of the ", table.horizon(),
                     " steps is stochastic, so nothing can be learned; use a horizon of at least 2, "
                     "last_step::stochastic, or a sampler with noise (eta > 0)");
    });
    const int end = table.first_trained + table.trained;
    expects(options_.first_trained >= 0 && options_.first_trained < end, [&] {
      return message("policy_gradient: first_trained is ", options_.first_trained, " but the last step that can be ",
                     "trained is ", end - 1, " (counted from 0); use at most that");
    });
    table.first_trained = std::max(table.first_trained, options_.first_trained);
    table.trained = end - table.first_trained;
    return table;
  }

  [[nodiscard]] float clip_range() const {
    if constexpr (requires { parts_.objective_of.clip_range; })
      return parts_.objective_of.clip_range;
    else
      return std::numeric_limits<float>::infinity();
  }

  /// Made before anything is allocated.
  [[nodiscard]] memory_plan plan(const step_table& table) const {
    const auto d = static_cast<std::size_t>(model_.sample_size()),
               p = static_cast<std::size_t>(model_.parameters().size());
    const std::size_t copies = 4 + (options_.average_decay > 0 ? 1 : 0);  // parameters, gradients, two moments
    const index_t samples = options_.batch(), sampled = experience_type::rows_at_once(samples);
    const memory_plan fixed{.parameters = copies * p * sizeof(float),
                            .trajectory = experience_type::bytes(table.horizon(), samples, model_.sample_size(),
                                                                 parts_.decode.decoded_size(model_.sample_size())) +
                                          static_cast<std::size_t>(table.trained * samples) * sizeof(score),
                            .regularizer = parts_.regularize.workspace_bytes(backend_, 0)};
    const auto arrays = static_cast<std::size_t>((has_reference ? 1 : 0) +
                                                 replay<Backend, context_type>::arrays_for(options_.optimizer_steps));
    return fixed.fitted(options_.memory_budget, table.trained * samples, row_block_of(model_), [&](index_t rows) {
      const auto n = static_cast<std::size_t>(rows);
      return model_.workspace_bytes(backend_, rows) + n * arrays * d * sizeof(float) +
             static_cast<std::size_t>(std::max(rows, sampled)) * d * sizeof(float);
    });
  }

  Backend& backend_;
  Generator& model_;
  Parts parts_;
  policy_gradient_options options_;
  memory_plan plan_;
  experience_type experience_;
  replay<Backend, context_type> replay_;
  typename Generator::workspace_type workspace_;
  typename optimizer_type::template state<Backend> state_;
  tensor<float, 1, Backend> average_;
  tensor<float, 2, Backend> output_, reference_;
  mirrored<float, Backend> advantages_;
  mirrored<loss_settings<objective_type>, Backend> settings_;
  mirrored<score, Backend> scores_;
  std::vector<repeated<Backend>> replays_;  // one for each minibatch
  std::int64_t index_ = 0;
  bool is_whole_ = true;
};

}  // namespace fewstep

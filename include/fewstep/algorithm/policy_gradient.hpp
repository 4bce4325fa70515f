// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/step_advantage.hpp>
#include <fewstep/advantage/tried_advantage.hpp>
#include <fewstep/algorithm/experience.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/part_requirements.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
#include <fewstep/algorithm/replayed_gradient.hpp>
#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/training_prompts.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/objective/trajectory_objective.hpp>
#include <fewstep/optimizer/parameter_update.hpp>
#include <fewstep/sampler/step_selection.hpp>
#include <fewstep/sampler/windowed_table.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

namespace fewstep {

/// Policy gradient on the Markov decision process of a few-step generator: sample, rate, replay, step.
/// RLCM (Oertell et al. 2024, algorithm 1), DDPO (Black et al. 2023), GRPO and REBEL are compositions of it.
///
/// Micro-batches follow from the memory budget and never change a bit; until the first optimizer step after a rollout
/// every importance ratio is exactly 1. An update whose rollout or reward fails changes nothing; one whose gradient is
/// not finite stops before the optimizer step in question.
template <class Backend, class Generator, class Given, bool Fits>
class policy_gradient {
 public:
  using parts_type = detail::complete_policy_gradient_parts<Given>;
  using context_type = typename Generator::context_type;

  policy_gradient(Backend& backend, Generator& model, const Given& parts, policy_gradient_options o = {})
      : policy_gradient(backend, model, detail::part_of<const Given&>(parts), o) {}
  policy_gradient(Backend& backend, Generator& model, Given&& parts, policy_gradient_options o = {})
      : backend_(backend),
        model_(model),
        parts_(checked(with_defaults(std::move(parts), usual_policy_gradient_parts{}))),
        options_(affordable(checked(with_defaults(o, usual_policy_gradient_options())))),
        steps_(parts_.sampler, model.preconditioner(), options_.horizon, options_.first_trained, parts_.selection,
               policy_gradient_options::name),
        plan_(plan(steps_.at(0, options_.training.seed))),
        experience_(backend, model, steps_.at(0, options_.training.seed), experience_of(options_), parts_.decoder),
        gradient_(backend, model, experience_.path(), replay_of(plan_.rows)),
        update_(backend, model, parts_.optimizer, options_.training.update(policy_gradient_options::name)) {
    detail::require_fitting<by_step>(parts_, options_, steps_.full());
    if constexpr (requires { parts_.objective.resolved(index_t{}, reduction{}); })
      parts_.objective = parts_.objective.resolved(table().scored.size(model.sample_size()), options_.reduction);
    if constexpr (requires { parts_.regularizer.expect_same_outputs(model, table()); })
      parts_.regularizer.expect_same_outputs(model, table());
    parts_.regularizer.prepare(backend, plan_.rows);
    parts_.auxiliary.prepare(backend, model, steps_.full(), options_.batch.samples(), plan_.rows);
  }

  [[nodiscard]] std::int64_t index() const { return update_.index(); }
  /// Whether the state is that after update index() - 1. It is not between sample() and train(), nor after an update
  /// that failed later than in its rollout or reward: a checkpoint of that would not resume bit for bit.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] const memory_plan& memory() const { return plan_; }
  [[nodiscard]] const step_table& table() const { return path().table(); }
  [[nodiscard]] parts_type& parts() { return parts_; }
  [[nodiscard]] const policy_gradient_options& options() const { return options_; }
  /// Exponential moving average (EMA) of the parameters; empty unless ema_decay is set.
  [[nodiscard]] vec<const float> ema() const& { return update_.ema(); }
  needs_a_named_object ema() const&& = delete;
  /// Rewards, prompts and samples of the last rollout.
  [[nodiscard]] std::span<const float> rewards() const& { return experience_.rewards(); }
  needs_a_named_object rewards() const&& = delete;
  /// Which of the contexts each sample was made for.
  [[nodiscard]] std::span<const std::int32_t> prompts() const& { return experience_.prompts(); }
  needs_a_named_object prompts() const&& = delete;
  [[nodiscard]] matrix<const float> samples() const& { return experience_.samples(); }
  needs_a_named_object samples() const&& = delete;

  /// One update: a rollout for prompts drawn from `contexts`, its rewards, and the optimizer steps on it.
  /// Throws without having changed anything if a reward is not finite and may not be left out.
  [[gnu::noinline]] update_report update(std::span<const context_type> contexts) {
    const auto begin = clock::now();
    sample(contexts);
    const auto sampled = clock::now();
    update_report report = train();
    const auto end = clock::now();
    report.sampling_seconds = std::chrono::duration<double>(sampled - begin).count();
    report.training_seconds = std::chrono::duration<double>(end - sampled).count();
    return report;
  }

  update_report update(std::initializer_list<context_type> contexts) {
    return update(std::span(contexts.begin(), contexts.size()));
  }

  /// Updates as a range: for (const auto& report : trainer.run(prompts, 100)). Each is made when it is asked for.
  [[nodiscard]] update_range<policy_gradient> run(training_prompts<Generator> prompts, std::int64_t updates) {
    return {*this, std::move(prompts).contexts(model_), updates};
  }

  /// The rollout of the next update and its rewards and advantages; the same again until train() has been called.
  void sample(std::span<const context_type> contexts) {
    collect(contexts, index());
    is_whole_ = false;
    weigh();
  }

  /// The gradient of rollout number `number` of those that training never makes: it lies in the generator's
  /// gradients(). Training goes on as if it had not been asked for; rewards(), prompts() and samples() are those of
  /// this rollout. Not between sample() and train(), whose rollout it would take the place of. See measure_gradient.
  void probe(std::span<const context_type> contexts, std::int64_t number) {
    expects(is_whole_, "policy_gradient: probe was called between sample() and train(); call it after train()");
    collect(contexts, -1 - number);
    weigh();
    tried_.forget();
    const std::pair<index_t, index_t> all{0, path().trained_rows()};
    gradient_.begin_pass(backend_, path(), options_.training.seed, static_cast<std::uint64_t>(-1 - number));
    gradient_.begin_minibatch(backend_, model_, experience_.rated_path(), all, parts_.objective, parts_.regularizer,
                              false);
    const vec<float> g = model_.gradients();
    backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
    gradient_.add(backend_, model_, parts_.regularizer, experience_.rated_path(), all);
    (void)add_auxiliary({options_.training.seed, -1 - number, 0});
  }

  /// Adds the gradient of the loss over rows [first, last) of the replay order; they count as `total` rows of the mean.
  void accumulate(index_t first, index_t last, double total, update_report& report) {
    gradient_.set_loss(parts_.objective, parts_.regularizer, total);
    gradient_.add(backend_, model_, parts_.regularizer, experience_.rated_path(), {first, last});
    add_scores({first, last}, report);
  }

  /// The optimizer steps on the last rollout.
  update_report train() {
    update_report report = update_report::of(index(), experience_.kept_rewards(), experience_.kept_prompts());
    report.left_out = static_cast<double>(path().left_out());
    report.reference_kl_estimate = detail::kl_estimate_name(parts_.regularizer);
    const double passes = static_cast<double>(options_.inner_epochs);
    for (int epoch = 0; epoch < options_.inner_epochs; ++epoch) {
      gradient_.begin_pass(backend_, path(), options_.training.seed,
                           static_cast<std::uint64_t>(index() * options_.inner_epochs + epoch));
      for (int k = 0; k < options_.optimizer_steps; ++k) {
        const std::pair<index_t, index_t> places = gradient_.minibatch(k);
        report.loss -= gradient_.begin_minibatch(backend_, model_, experience_.rated_path(), places, parts_.objective,
                                                 parts_.regularizer, epoch > 0 || k > 0);
        gradient_.replace(backend_, model_, parts_.regularizer, experience_.rated_path(), k);
        add_scores(places, report);
        report.loss += add_auxiliary({options_.training.seed, index(), epoch * options_.optimizer_steps + k});
        report.gradient_norm = std::max(report.gradient_norm, update_.step(parts_.optimizer));
      }
    }
    report.average_over(passes * static_cast<double>(options_.optimizer_steps),
                        passes * static_cast<double>(table().trained * path().kept()));
    if constexpr (by_step)
      experience_.teach(backend_, parts_.advantage);
    else
      tried_.keep(parts_.advantage);
    update_.next();
    is_whole_ = true;
    return report;
  }

  /// Everything that a resumed run needs, bit for bit. Random numbers have no state but the seed and the index.
  template <class Archive>
  void serialize(Archive& archive) {
    match_settings(archive, options_);
    match_settings(archive, parts_);
    match_part(archive, "generator", model_);
    match_part(archive, "steps", steps_.full());
    archive.must_match("trained_at_once", table().trained);
    update_.serialize(archive);
    if constexpr (requires { parts_.advantage.serialize(archive); }) archive("advantage", parts_.advantage);
  }

 private:
  using clock = std::chrono::steady_clock;
  using regularizer_type = decltype(parts_type::regularizer);
  using reward_type = decltype(parts_type::reward);
  using update_type = parameter_update<Backend, Generator, decltype(parts_type::optimizer)>;
  using decoder_type = decltype(parts_type::decoder);
  using objective_type = decltype(parts_type::objective);
  using gradient_type = replayed_gradient<Backend, Generator, objective_type, regularizer_type>;
  static constexpr bool by_step = step_advantage<decltype(parts_type::advantage), Backend, context_type>;
  static constexpr bool window_moves = !std::same_as<decltype(parts_type::selection), all_steps>;
  using experience_type = experience<Backend, Generator, reward_type, decoder_type>;

  [[nodiscard]] const trajectory<Backend, context_type>& path() const { return experience_.path(); }

  [[nodiscard]] experience_options experience_of(const policy_gradient_options& o) const {
    return {.prompts = o.batch.prompts,
            .samples_per_prompt = o.batch.samples_per_prompt,
            .shared_initial_noise = o.batch.shared_initial_noise,
            .keeps_outputs = detail::needs_old_outputs<typename gradient_type::transition_objective_type>,
            .store_states_as = o.store_states_as,
            .rewards = o.batch.rewards,
            .least_together = detail::least_samples(parts_),
            .caller = policy_gradient_options::name};
  }
  [[nodiscard]] replay_settings replay_of(index_t rows) const {
    return {.minibatches = options_.optimizer_steps,
            .rows_at_once = rows,
            .samples_per_prompt = options_.batch.samples_per_prompt,
            .packs = options_.store_states_as != state_storage::float32,
            .reduction = options_.reduction};
  }

  /// The rollout and rewards of an update, or of a number below 0.
  void collect(std::span<const context_type> contexts, std::int64_t update) {
    if constexpr (window_moves) experience_.set_table(backend_, steps_.at(index(), options_.training.seed));
    try {
      experience_.collect(backend_, model_, parts_.reward, parts_.decoder, contexts, {options_.training.seed, update},
                          options_.reduction);
    } catch (...) {
      update_.require_finite();  // else the parameters are to blame
      throw;
    }
  }
  void weigh() {
    if constexpr (by_step)
      experience_.weigh_steps(backend_, parts_.advantage);
    else
      experience_.weigh(backend_,
                        [&](auto rewards, auto prompts, auto out) { tried_(parts_.advantage, rewards, prompts, out); });
  }

  void add_scores(std::pair<index_t, index_t> places, update_report& report) {
    index_t place = places.first;
    for (const score& s : gradient_.scores(backend_, places)) {
      if (!gradient_.is_kept(path(), place++)) continue;
      report.add(s, gradient_.total(), detail::clip_range_of(parts_.objective), parts_.regularizer.coefficient());
    }
  }

  double add_auxiliary(auxiliary_key key) {
    if constexpr (detail::adds_nothing<decltype(parts_type::auxiliary)>)
      return 0;
    else
      return parts_.auxiliary.add_gradient(backend_, model_, gradient_.workspace(), path(), key);
  }

  /// The options, unless their trajectories alone are beyond the budget; before a table of all the steps is made.
  [[nodiscard]] policy_gradient_options affordable(const policy_gradient_options& o) const {
    const auto size = parts_.decoder.decoded_size(model_.sample_size());
    const std::size_t path = experience_type::bytes(o.horizon, experience_of(o), model_.sample_size(), size);
    memory_plan{.trajectory = path}.expect_within(o.training.memory_budget, o.horizon, o.batch.samples());
    return o;
  }
  /// Made before anything is allocated.
  [[nodiscard]] memory_plan plan(const step_table& table) const {
    const saturated_size path = experience_type::bytes(table.horizon(), experience_of(options_), model_.sample_size(),
                                                       parts_.decoder.decoded_size(model_.sample_size()));
    const saturated_size scored = saturated_size(table.trained) * options_.batch.samples();
    const memory_plan fixed{
        .parameters = update_type::bytes(model_, parts_.optimizer, options_.training.ema()),
        .model = detail::held_bytes(model_, true),
        .trajectory = (path + scored * sizeof(score)).value(),
        .regularizer = parts_.regularizer.workspace_bytes(backend_, 0),
        .decoder = experience_type::decoder_bytes(backend_, parts_.decoder, experience_of(options_))};
    memory_plan{.trajectory = fixed.trajectory}.expect_within(options_.training.memory_budget, table.horizon(),
                                                              options_.batch.samples());
    const index_t rows = table.trained * options_.batch.samples();
    return fixed.fitted(options_.training.memory_budget, rows, row_block_of(model_), [&](index_t at_once) {
      return (saturated_size(detail::workspace_bytes(backend_, model_, at_once)) +
              experience_type::workspace_bytes(backend_, model_, experience_of(options_)) +
              parts_.auxiliary.workspace_bytes(backend_, model_, options_.batch.samples(), at_once) +
              gradient_type::row_bytes(replay_of(at_once), model_.sample_size()))
          .value();
    });
  }

  Backend& backend_;
  Generator& model_;
  parts_type parts_;
  policy_gradient_options options_;
  windowed_table<decltype(parts_type::selection)> steps_;
  memory_plan plan_;
  experience_type experience_;
  detail::tried_advantage<decltype(parts_type::advantage)> tried_;
  gradient_type gradient_;
  update_type update_;
  bool is_whole_ = true;
};

}  // namespace fewstep

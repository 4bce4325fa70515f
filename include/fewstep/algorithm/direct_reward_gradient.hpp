// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/direct_reward_gradient_parts.hpp>
#include <fewstep/algorithm/experience.hpp>
#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/loss/reward_loss.hpp>
#include <fewstep/mdp/training_prompts.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/optimizer/parameter_update.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fewstep {

namespace detail {

/// A reward for a rollout that also writes the gradient by what it is shown.
template <class Reward>
struct recorded_reward {
  Reward* reward;
  matrix<float> gradient;
  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) const {
    value_and_gradient(*reward, samples, contexts, out, gradient);
  }
};

}  // namespace detail

/// Ascends a differentiable reward along its gradient through the sampler: no score function and no advantage. With the
/// noise of a rollout held fixed, x_{k+1} = a_k x_k + b_k o(x_k) + sigma_k z_k is differentiated from the result back
/// over the last K network calls,
///   g_k = a_k g_{k+1} + b_k (do/dx)^T g_{k+1},   the gradient by the parameters being sum_k b_k (do/dtheta)^T g_{k+1},
/// x_k of the first of them being taken as given. Every call is evaluated anew on its way back, so that memory is that
/// of one call, in micro-batches that the memory budget decides and that change no bit.
///
/// K = 1 is for any generator; more need a differentiable_generator. An update whose rollout or reward fails changes
/// nothing; one whose gradient is not finite moves no parameter. See draft and refl for the published settings.
template <class Backend, class Generator, class Given, bool Fits>
class direct_reward_gradient {
 public:
  using parts_type = detail::complete_direct_parts<Given>;
  using context_type = typename Generator::context_type;
  /// Whether gradients go through more than one network call.
  static constexpr bool goes_back = differentiable_generator<Generator, Backend>;

  direct_reward_gradient(Backend& backend, Generator& model, const Given& parts, direct_reward_gradient_options o = {})
      : direct_reward_gradient(backend, model, detail::part_of<const Given&>(parts), o) {}
  direct_reward_gradient(Backend& backend, Generator& model, Given&& parts, direct_reward_gradient_options o = {})
      : backend_(backend),
        model_(model),
        parts_(checked(with_defaults(std::move(parts), usual_direct_reward_gradient_parts{}))),
        options_(affordable(checked(with_defaults(o, usual_direct_reward_gradient_options())))),
        tables_(tables()),
        plan_(plan()),
        experience_(backend, model, tables_.back(), experience_settings(), parts_.decoder),
        workspace_(detail::make_workspace(backend, model, plan_.rows)),
        output_(backend, {plan_.rows, model.sample_size()}),
        of_states_(backend, {goes_back ? plan_.rows : 0, model.sample_size()}),
        gradient_(backend, {options_.batch.samples(), model.sample_size()}),
        of_decoded_(backend, options_.batch.samples(), decoded_size()),
        update_(backend, model, parts_.optimizer, options_.training.update(direct_reward_gradient_options::name)) {
    expects(goes_back || options_.steps_with_gradient == 1, [&] {
      return message("direct_reward_gradient: steps_with_gradient is ", options_.steps_with_gradient,
                     " but the generator gives no gradient by the state; use 1, or add void backward(Backend&, "
                     "batch<context_type> rows, matrix<const float> o_gradient, matrix<float> x_gradient, "
                     "workspace_type&) (fewstep::differentiable_generator)");
    });
    parts_.auxiliary.prepare(backend, model, tables_.back(), options_.batch.samples(), plan_.rows);
  }

  [[nodiscard]] std::int64_t index() const { return update_.index(); }
  /// Whether the state is that after update index() - 1; it is not after an update that failed later than in its
  /// rollout or reward.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] const memory_plan& memory() const { return plan_; }
  /// Steps of the last rollout, of which none is trained as an action.
  [[nodiscard]] const step_table& table() const { return experience_.path().table(); }
  [[nodiscard]] parts_type& parts() { return parts_; }
  [[nodiscard]] const direct_reward_gradient_options& options() const { return options_; }
  /// Exponential moving average (EMA) of the parameters; empty unless ema_decay is set.
  [[nodiscard]] vec<const float> ema() const& { return update_.ema(); }
  needs_a_named_object ema() const&& = delete;
  /// Rewards, prompts and samples of the last rollout.
  [[nodiscard]] std::span<const float> rewards() const& { return experience_.rewards(); }
  needs_a_named_object rewards() const&& = delete;
  [[nodiscard]] std::span<const std::int32_t> prompts() const& { return experience_.prompts(); }
  needs_a_named_object prompts() const&& = delete;
  [[nodiscard]] matrix<const float> samples() const& { return experience_.samples(); }
  needs_a_named_object samples() const&& = delete;

  /// One update: a rollout for prompts drawn from `contexts`, its rewards, and an optimizer step on their gradient.
  /// Throws without having changed anything if a reward is not finite and may not be left out.
  [[gnu::noinline]] update_report update(std::span<const context_type> contexts) {
    using clock = std::chrono::steady_clock;
    const auto begin = clock::now();
    if (tables_.size() > 1) experience_.set_table(backend_, tables_[drawn(tables_.size(), 0)]);
    detail::recorded_reward<reward_type> recorded{&parts_.reward, of_decoded_.host(options_.batch.samples())};
    try {
      experience_.collect(backend_, model_, recorded, parts_.decoder, contexts, {options_.training.seed, index()},
                          reduction::mean);
    } catch (...) {
      update_.require_finite();  // else the parameters are to blame
      throw;
    }
    const auto sampled = clock::now();
    is_whole_ = false;
    update_report report = update_report::of(index(), experience_.kept_rewards(), experience_.kept_prompts());
    report.left_out = static_cast<double>(path().left_out());
    for (const float r : experience_.kept_rewards())
      report.loss += options_.loss().value(r) / static_cast<double>(path().kept());
    const vec<float> g = model_.gradients();
    backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
    add_gradient();
    report.loss +=
        parts_.auxiliary.add_gradient(backend_, model_, workspace_, path(), {options_.training.seed, index(), 0});
    report.gradient_norm = update_.step(parts_.optimizer);
    const auto end = clock::now();
    report.sampling_seconds = std::chrono::duration<double>(sampled - begin).count();
    report.training_seconds = std::chrono::duration<double>(end - sampled).count();
    update_.next();
    is_whole_ = true;
    return report;
  }

  update_report update(std::initializer_list<context_type> contexts) {
    return update(std::span(contexts.begin(), contexts.size()));
  }

  /// Updates as a range: for (const auto& report : trainer.run(prompts, 100)). Each is made when it is asked for.
  [[nodiscard]] update_range<direct_reward_gradient> run(training_prompts<Generator> prompts, std::int64_t updates) {
    return {*this, std::move(prompts).contexts(model_), updates};
  }

  /// Everything that a resumed run needs, bit for bit. Random numbers have no state but the seed and the index.
  template <class Archive>
  void serialize(Archive& archive) {
    match_settings(archive, options_);
    match_settings(archive, parts_);
    match_part(archive, "generator", model_);
    match_part(archive, "steps", tables_.back());
    update_.serialize(archive);
  }

 private:
  using reward_type = decltype(parts_type::reward);
  using update_type = parameter_update<Backend, Generator, decltype(parts_type::optimizer)>;
  using decoder_type = decltype(parts_type::decoder);
  using experience_type = experience<Backend, Generator, detail::recorded_reward<reward_type>, decoder_type>;

  [[nodiscard]] const trajectory<Backend, context_type>& path() const { return experience_.path(); }
  [[nodiscard]] index_t decoded_size() const { return parts_.decoder.decoded_size(model_.sample_size()); }
  [[nodiscard]] experience_options experience_settings() const {
    return {.prompts = options_.batch.prompts,
            .samples_per_prompt = options_.batch.samples_per_prompt,
            .shared_initial_noise = options_.batch.shared_initial_noise,
            .rewards = options_.batch.rewards,
            .caller = direct_reward_gradient_options::name};
  }

  /// The sampler's steps, or those up to each call that may be jumped from, the whole last. No step is an action, so
  /// none has a log-probability; first_trained tells the tables apart.
  [[nodiscard]] std::vector<step_table> tables() const {
    step_table all = parts_.sampler.table(model_.preconditioner(), options_.horizon);
    check(all);
    all.trained = 0;
    all.first_trained = all.horizon() - 1;
    if (!options_.jump_from) return {all};
    std::vector<step_table> jumps;
    for (int k = *options_.jump_from; k < all.horizon(); ++k) {
      step_table jump = all;
      jump.rows.resize(static_cast<std::size_t>(k) + 1);
      step_row& last = jump.rows.back();
      last.a = last.skip;
      last.b = last.out;
      last.sigma = 0;
      jump.result = emitted::clean;
      jump.first_trained = k;
      jumps.push_back(std::move(jump));
    }
    return jumps;
  }

  /// One of n possibilities of this update.
  [[nodiscard]] std::size_t drawn(std::size_t n, std::uint64_t which) const {
    const random_stream source{options_.training.seed, stream::steps};
    return source.below(static_cast<std::uint32_t>(n), static_cast<std::uint64_t>(index()), 0, which);
  }
  /// Network calls that the gradient goes through.
  [[nodiscard]] int calls_back() const {
    const int most = std::min(options_.steps_with_gradient, table().horizon());
    return options_.random_truncation ? 1 + static_cast<int>(drawn(static_cast<std::size_t>(most), 1)) : most;
  }

  /// Adds the gradient of the loss of the last rollout, call by call and within one micro-batch by micro-batch.
  void add_gradient() {
    const index_t samples = options_.batch.samples();
    const auto in_parts = [&](const auto& work) { detail::each_part(samples, plan_.rows, work); };
    of_decoded_.finish(backend_, options_.loss(), experience_.rewards(), path().kept());
    of_decoded_.pass(backend_, parts_.decoder, path().result(), path().rows(0, samples).contexts, gradient_.view());
    path().clear_left_out(backend_, gradient_.view(), 0);  // a decoder may make anything of a sample that is not finite
    const int last = table().horizon() - 1, first_call = last - calls_back() + 1;
    for (int k = last; k >= first_call; --k) {
      const detail::affine_step by =
          k == last ? detail::result_of(table()) : detail::next_state(table().rows[static_cast<std::size_t>(k)]);
      in_parts([&](index_t first, index_t count) {
        const auto rows = path().rows(k * samples + first, count);
        const matrix<float> o = output_.view().subview(0, count), g = gradient_.view().subview(first, count);
        detail::forward(backend_, model_, rows, o, workspace_);
        backend_.for_each(g.size(), detail::scale<float>{g.data, o.data, by.on_output});
        if constexpr (goes_back) {
          if (k > first_call) {
            const matrix<float> of_states = of_states_.view().subview(0, count);
            detail::backward(backend_, model_, rows, o, of_states, workspace_);
            backend_.for_each(g.size(), detail::scale_and_add<float>{g.data, of_states.data, by.on_state});
            return;
          }
        }
        detail::backward(backend_, model_, rows, o, workspace_);
      });
    }
  }

  /// The options, unless their trajectories and tables alone are beyond the budget; before the tables are made.
  [[nodiscard]] direct_reward_gradient_options affordable(const direct_reward_gradient_options& o) const {
    const experience_options some{.prompts = o.batch.prompts, .samples_per_prompt = o.batch.samples_per_prompt};
    const index_t size = model_.sample_size();
    const saturated_size tables = o.jump_from ? o.horizon - *o.jump_from : 1;
    memory_plan{.parameters = (tables * o.horizon.value() * sizeof(step_row)).value(),
                .trajectory = experience_type::bytes(o.horizon, some, size, parts_.decoder.decoded_size(size))}
        .expect_within(o.training.memory_budget, o.horizon, o.batch.samples());
    return o;
  }
  /// Made before anything is allocated.
  [[nodiscard]] memory_plan plan() const {
    const index_t samples = options_.batch.samples(), size = model_.sample_size();
    const saturated_size path = experience_type::bytes(options_.horizon, experience_settings(), size, decoded_size());
    const memory_plan fixed{.parameters = update_type::bytes(model_, parts_.optimizer, options_.training.ema()),
                            .model = detail::held_bytes(model_, true),
                            .trajectory = (path + saturated_size(samples) * size * sizeof(float) +
                                           decoded_gradient<Backend, decoder_type>::bytes(samples, decoded_size()))
                                              .value(),
                            .decoder = experience_type::decoder_bytes(backend_, parts_.decoder, experience_settings())};
    return fixed.fitted(options_.training.memory_budget, samples, row_block_of(model_), [&](index_t at_once) {
      const saturated_size rows = saturated_size(at_once) * (goes_back ? 2 : 1);
      return (saturated_size(detail::workspace_bytes(backend_, model_, at_once)) + rows * size * sizeof(float) +
              experience_type::workspace_bytes(backend_, model_, experience_settings()) +
              parts_.auxiliary.workspace_bytes(backend_, model_, samples, at_once))
          .value();
    });
  }

  Backend& backend_;
  Generator& model_;
  parts_type parts_;
  direct_reward_gradient_options options_;
  std::vector<step_table> tables_;
  memory_plan plan_;
  experience_type experience_;
  workspace_of<Generator> workspace_;
  tensor<float, 2, Backend> output_, of_states_;  // of a micro-batch: network outputs, gradients by the states
  tensor<float, 2, Backend> gradient_;            // of the loss by the state of every sample
  decoded_gradient<Backend, decoder_type> of_decoded_;
  update_type update_;
  bool is_whole_ = true;
};

}  // namespace fewstep

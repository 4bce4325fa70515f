// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/experience_options.hpp>
#include <fewstep/algorithm/step_earnings.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/decoder/decode.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/device_reward.hpp>
#include <fewstep/reward/reward.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// What one update learns from: `prompts` prompts drawn with replacement, `samples_per_prompt` trajectories of each,
/// standing together, the reward of every decoded result, and what that makes every action worth. An asynchronous
/// reward rates one part of the batch while the next is sampled. Samples whose reward is not finite may be left out,
/// and a prompt with them that has too few others to be compared.
template <class Backend, class Generator, class Reward, class Decoder>
class experience {
 public:
  using Context = typename Generator::context_type;

  static constexpr bool rates_aside = async_reward<Reward, Context>;
  /// Rewards are made where the samples are, which are then copied to the host only where samples() is asked for.
  static constexpr bool rates_on_backend = detail::rates_on_backend<Reward, Backend, Context>;
  static constexpr bool decodes = !std::same_as<Decoder, identity_decoder>;

  experience(Backend& backend, Generator& model, step_table table, experience_options o, const Decoder& decoder)
      : backend_(backend),
        prompts_(o.prompts),
        samples_per_prompt_(o.samples_per_prompt),
        least_together_(o.least_together),
        shared_(o.shared_initial_noise ? o.samples_per_prompt : 1),
        check_(o.rewards),
        caller_(o.caller),
        path_(backend, std::move(table), prompts_ * samples_per_prompt_, model.sample_size(), path_options(o)),
        advantages_(backend, path_.table().horizon() * path_.samples()),
        workspace_(detail::make_workspace(backend, model, 0)),
        output_(backend, {outputs_at_once(o), path_.dimension()}),
        decoded_(backend, {decodes ? path_.samples() : 0, decoder.decoded_size(path_.dimension())}),
        seen_(backend, length_product(path_.samples(), decoder.decoded_size(path_.dimension()))),
        rated_there_(backend, rates_on_backend ? path_.samples() : 0),
        noise_(backend, 1),
        rollouts_(static_cast<std::size_t>(path_.table().horizon() * parts)),
        earned_(backend, path_),
        rewards_(static_cast<std::size_t>(path_.samples())),
        prompt_of_(rewards_.size()),
        is_left_out_(rewards_.size()),
        kept_rewards_(rewards_.size()),
        kept_prompts_(rewards_.size()) {}

  [[nodiscard]] const trajectory<Backend, Context>& path() const { return path_; }
  /// The trajectories and what each of their actions is worth, once weigh() has been called.
  [[nodiscard]] rated_trajectory<Backend, Context> rated_path() const { return {path_, advantages_}; }
  [[nodiscard]] std::span<const float> rewards() const { return rewards_; }
  /// Another table at the same times; as many steps are trained.
  void set_table(Backend& backend, step_table table) { path_.set_table(backend, std::move(table)); }
  /// Number of each sample's prompt in the contexts that were drawn from.
  [[nodiscard]] std::span<const std::int32_t> prompts() const { return prompt_of_; }
  /// Rewards and prompts of the samples that were not left out, in their order.
  [[nodiscard]] std::span<const float> kept_rewards() const {
    return std::span(kept_rewards_).first(static_cast<std::size_t>(path_.kept()));
  }
  [[nodiscard]] std::span<const std::int32_t> kept_prompts() const {
    return std::span(kept_prompts_).first(static_cast<std::size_t>(path_.kept()));
  }
  /// What the reward was shown, [B, decoded_size].
  [[nodiscard]] matrix<const float> samples() const {
    const matrix<const float> all = rated();
    if constexpr (rates_on_backend)
      return {seen_.fetch(backend_, all.data, 0, all.size()), all.extents};
    else
      return {seen_.data(all.data), all.extents};
  }

  /// Bytes of the trajectories, their advantages, and what is decoded of them.
  [[nodiscard]] static std::size_t bytes(int horizon, const experience_options& o, index_t dimension,
                                         index_t decoded_size) {
    const index_t samples = samples_of(o);
    const saturated_size path = trajectory<Backend, Context>::bytes(horizon, samples, dimension, path_options(o));
    const saturated_size advantages = saturated_size(horizon) * samples;
    return (path + (advantages + saturated_size(decodes ? samples : 0) * decoded_size) * sizeof(float)).value();
  }
  /// Bytes of what sampling needs beside them: the network's workspace and its outputs.
  [[nodiscard]] static std::size_t workspace_bytes(const Backend& backend, const Generator& model,
                                                   const experience_options& o) {
    return (saturated_size(detail::workspace_bytes(backend, model, 0)) +
            saturated_size(outputs_at_once(o)) * model.sample_size() * sizeof(float) +
            step_earnings<Backend, Context, Reward>::bytes(samples_of(o), model.sample_size(), o.store_states_as))
        .value();
  }

  /// Bytes that the decoder takes for the rows that it is given.
  [[nodiscard]] static std::size_t decoder_bytes(const Backend& backend, const Decoder& decoder,
                                                 const experience_options& o) {
    return detail::decoder_bytes(backend, decoder, rows_at_once(samples_of(o)));
  }

  /// Draws prompts from `contexts`, samples and rates.
  /// Throws what the reward throws, and std::runtime_error naming a sample whose reward is not finite and not left out,
  /// or the sample itself where it is not finite, or has a state that cannot be stored as asked for.
  void collect(Backend& backend, Generator& model, Reward& reward, Decoder& decoder, std::span<const Context> contexts,
               experience_key key, reduction over) {
    draw_prompts(contexts, key);
    if constexpr (!on_host<Backend> && requires { model.expect_known(path_.contexts()); })
      model.expect_known(path_.contexts());
    const index_t samples = path_.samples();
    noise_.host()[0] = {key.seed, static_cast<std::uint64_t>(key.update * samples)};
    std::fill(rewards_.begin(), rewards_.end(), std::numeric_limits<float>::quiet_NaN());
    shown_ = 0;
    const index_t part = rows_at_once(samples);
    const index_t first_recorded = path_.table().first_trained * parts;
    const auto sample_and_rate = [&] {
      for (index_t first = 0; first < samples; first += part) {
        const index_t count = std::min(part, samples - first);
        rollouts_[static_cast<std::size_t>(first_recorded + first / part)].run(backend, [&] {
          noise_.upload(backend);
          rollout(backend, model, workspace_, path_, output_.view(), std::as_const(noise_).device(), over, first, count,
                  shared_);
        });
        path_.storage().expect_storable(backend, first, count, caller_);
        rate(backend, reward, decoder, first, count);
      }
    };
    bool is_rated = false;
    try {
      sample_and_rate();
      if constexpr (rates_aside) reward.wait();
      is_rated = true;
      leave_out(backend);
    } catch (...) {
      if constexpr (rates_aside) detail::settle(reward, parts);
      // Where samples that are not finite may be left out, they are not what a reward failed at.
      if (is_rated || check_.when_not_finite == non_finite::refuse)
        require_finite_samples(this->samples().subview(0, shown_));
      throw;
    }
  }

  /// Makes the rewards of the samples that were not left out into the advantages of their rows [H, B]:
  /// advantage_of(rewards, prompts, out), a sample's value at each of its steps. Rows of samples that were left out get
  /// 0.
  template <class AdvantageOf>
  void weigh(Backend& backend, const AdvantageOf& advantage_of) {
    const auto samples = static_cast<std::size_t>(path_.samples()), kept = static_cast<std::size_t>(path_.kept());
    const std::span<float> all = advantages_.host(), of_sample = all.first(samples);
    advantage_of(kept_rewards(), kept_prompts(), of_sample.first(kept));
    for (std::size_t i = samples, from = kept; from < i; --i)  // to their places, from the back
      of_sample[i - 1] = path_.is_left_out(static_cast<index_t>(i - 1)) ? 0.0f : of_sample[--from];
    for (std::size_t first = samples; first < all.size(); first += samples)
      std::copy(of_sample.begin(), of_sample.end(), all.subspan(first, samples).begin());
    advantages_.upload(backend);
  }

  /// As weigh(), by an advantage of steps.
  template <class StepAdvantage>
  void weigh_steps(Backend& backend, StepAdvantage& advantage) {
    earned_.weigh(backend, advantage, path_, rewards_, advantages_.host());
    advantages_.upload(backend);
  }
  /// The advantage learns from them, once the policy has.
  template <class StepAdvantage>
  void teach(Backend& backend, StepAdvantage& advantage) {
    earned_.teach(backend, advantage, path_, rewards_);
  }

 private:
  static constexpr index_t parts = rates_aside ? 4 : 1;

  [[nodiscard]] static trajectory_options path_options(const experience_options& o) {
    return {.keeps_outputs = o.keeps_outputs, .store_states_as = o.store_states_as};
  }
  [[nodiscard]] static index_t samples_of(const experience_options& o) {
    return index_t{o.prompts} * o.samples_per_prompt;
  }
  /// Rows that are sampled at a time.
  [[nodiscard]] static index_t rows_at_once(index_t samples) { return parts_of(samples, parts); }
  /// Network outputs that are not kept.
  [[nodiscard]] static index_t outputs_at_once(const experience_options& o) {
    return o.keeps_outputs ? 0 : rows_at_once(samples_of(o));
  }

  /// Where the reward's samples are made.
  [[nodiscard]] matrix<const float> rated() const { return decodes ? decoded_.view() : path_.result(); }

  void draw_prompts(std::span<const Context> contexts, experience_key key) {
    expects(!contexts.empty(), [&] { return message(caller_, ": there are no prompts; give at least one"); });
    expects(std::in_range<std::int32_t>(contexts.size()), [&] {
      return message(caller_, ": there are ", contexts.size(),
                     " prompts, which have numbers of 32 bits; draw from a part of them at a time");
    });
    const random_stream source{key.seed, stream::prompts};
    for (index_t slot = 0; slot < prompts_; ++slot) {
      const auto number = static_cast<std::uint64_t>(key.update * prompts_ + slot);
      const auto prompt = source.below(static_cast<std::uint32_t>(contexts.size()), number);
      for (index_t r = slot * samples_per_prompt_; r < (slot + 1) * samples_per_prompt_; ++r) {
        prompt_of_[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(prompt);
        path_.set_context(r, contexts[prompt]);
      }
    }
  }

  void rate(Backend& backend, Reward& reward, Decoder& decoder, index_t first, index_t count) {
    const matrix<const float> result = std::as_const(path_).result().subview(first, count);
    const auto row_contexts = path_.row_contexts().subview(first, count);  // the first step's are the samples'
    if constexpr (decodes) decode(backend, decoder, result, row_contexts, decoded_.view().subview(first, count));
    shown_ = first + count;
    if constexpr (rates_on_backend)
      detail::rate_on_backend(backend, reward, rated(), row_contexts, rated_there_, rewards_);
    else
      rate_here(backend, reward, first, count);
  }
  void rate_here(Backend& backend, Reward& reward, index_t first, index_t count) {
    const index_t size = rated().cols();
    const matrix<const float> seen{seen_.fetch(backend, rated().data, first * size, count * size), {count, size}};
    const auto contexts = path_.contexts().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    const auto out = std::span(rewards_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    if constexpr (step_reward<Reward, Context>)
      earned_.rate(backend, reward, path_, seen, out);
    else if constexpr (rates_aside)
      reward.submit(seen, contexts, out);
    else
      reward(seen, contexts, out);
  }

  /// Leaves out what cannot be learned from.
  void leave_out(Backend& backend) {
    if (count_non_finite(rewards_, check_, "options.batch.rewards") > 0 || path_.left_out() > 0) {
      const auto n = static_cast<std::size_t>(samples_per_prompt_), least = static_cast<std::size_t>(least_together_);
      for (std::size_t first = 0; first < rewards_.size(); first += n) {
        const auto all = std::span<const float>(rewards_).subspan(first, n);
        const auto finite = std::count_if(all.begin(), all.end(), [](float r) { return std::isfinite(r); });
        const bool too_few = static_cast<std::size_t>(finite) < least;
        for (std::size_t i = first; i < first + n; ++i)
          is_left_out_[i] = too_few || !std::isfinite(rewards_[i]) ? 1 : 0;
      }
      path_.leave_out(backend, is_left_out_);
      if (path_.kept() == 0)
        throw std::runtime_error(message("no prompt has ", least_together_,
                                         " samples with finite rewards, which are compared; check what the reward "
                                         "computes"));
    }
    for (std::size_t i = 0, kept = 0; i < rewards_.size(); ++i) {
      if (path_.is_left_out(static_cast<index_t>(i))) continue;
      kept_rewards_[kept] = rewards_[i];
      kept_prompts_[kept++] = prompt_of_[i];
    }
  }

  Backend& backend_;
  index_t prompts_, samples_per_prompt_, least_together_;
  index_t shared_;  // samples that start from the same state
  reward_check check_;
  std::string_view caller_;
  trajectory<Backend, Context> path_;
  mirrored<float, Backend> advantages_;  // [H B]
  workspace_of<Generator> workspace_;
  tensor<float, 2, Backend> output_;
  tensor<float, 2, Backend> decoded_;
  mutable fetched<float, Backend> seen_;
  mirrored<float, Backend> rated_there_;  // the rewards that are made on the backend
  index_t shown_ = 0;                     // samples of this rollout that the reward was shown
  mirrored<rollout_noise, Backend> noise_;
  std::vector<repeated<Backend>> rollouts_;  // by first trained step, which the table follows, and part
  step_earnings<Backend, Context, Reward> earned_;
  std::vector<float> rewards_;
  std::vector<std::int32_t> prompt_of_;
  std::vector<std::uint8_t> is_left_out_;
  std::vector<float> kept_rewards_;
  std::vector<std::int32_t> kept_prompts_;
};

}  // namespace fewstep

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "learner.hpp"
#include "models.hpp"
#include "task_reward.hpp"
#include "text_to_emoji/prompt_words.hpp"

#include <fewstep/image/picture_statistics.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/monitor/held_out_samples.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace paper {

template <class Policy>
[[nodiscard]] std::vector<fewstep::token_list> encoded(const Policy& policy, const std::vector<std::string>& prompts) {
  std::vector<fewstep::token_list> contexts;
  text_to_emoji::warn_of_left_out(policy.model.words(), prompts);
  for (const auto& prompt : prompts) contexts.push_back(policy.model.encode(prompt, fewstep::missing_words::leave_out));
  return contexts;
}

/// A policy and the trainer that make(backend, policy, base) returns for it, the base being what the policy was.
/// Held-out pictures are drawn by all steps of the sampler, which may be more than the trainer gives noise at a time.
template <class Policy, class Sampler, class Make>
class learner_with final : public learner {
 public:
  learner_with(fewstep::cpu_backend& host, const train_settings& s, const prompt_texts& prompts,
               const task_reward& reward, const Sampler& sampler, const Make& make)
      : host_(host),
        settings_(s),
        reward_(reward),
        data_checksum_(prompts.data_checksum),
        reward_model_checksum_(text_to_emoji::is_learned(s.reward) ? fewstep::crc32c(fewstep::read_file(s.reward_model))
                                                                   : 0),
        base_checksum_(fewstep::crc32c(fewstep::read_file(Policy::file(s.models)))),
        base_(host, Policy::file(s.models), s.guidance),
        policy_(host, Policy::file(s.models), s.guidance),
        contexts_(encoded(policy_, prompts.training)),
        table_(sampler.table(policy_.network().preconditioner(), s.horizon)),
        held_out_(host, policy_.model, table_, encoded(policy_, prompts.held_out), s.evaluation_samples),
        trainer_(make(host, policy_, base_)) {}

  [[nodiscard]] update_cost cost() const override {
    const std::int64_t batch = std::int64_t{settings_.prompts} * settings_.samples;
    return {batch, batch * table_.horizon() * policy_.calls_per_step(),
            batch * trained_steps() * policy_.calls_per_step()};
  }
  [[nodiscard]] std::int64_t index() const override { return trainer_.index(); }
  [[nodiscard]] bool is_whole() const override { return trainer_.is_whole(); }
  fewstep::update_report update() override { return trainer_.update(contexts_); }

  [[nodiscard]] examined examine() override {
    examined e;
    e.pictures = held_out_.draw();
    auto other = fewstep::per_sample(
        [](fewstep::vec<const float> x, const fewstep::token_list&) { return fewstep::colourfulness(x); });
    e.reward = held_out_.mean_reward(reward_);
    e.other_reward = held_out_.mean_reward(other);
    e.diversity = held_out_.diversity();
    if (index() > 0) e.kl = held_out_.divergence_from(base_.model);
    return e;
  }
  [[nodiscard]] std::vector<float> base_pictures() override {
    std::vector<fewstep::token_list> prompts;
    const auto samples = static_cast<std::size_t>(settings_.evaluation_samples);
    for (std::size_t i = 0; i < held_out_.contexts().size(); i += samples) prompts.push_back(held_out_.contexts()[i]);
    fewstep::held_out_samples base(host_, base_.model, table_, std::span<const fewstep::token_list>(prompts),
                                   settings_.evaluation_samples);
    const auto drawn = base.draw();
    return {drawn.data, drawn.data + drawn.size()};
  }
  [[nodiscard]] double seconds_per_image() override {
    const std::vector<fewstep::token_list> contexts(64, contexts_.front());
    std::array<double, 5> times{};
    for (double& time : times) {
      const auto begin = std::chrono::steady_clock::now();
      (void)draw_with(host_, policy_.model, table_, std::span(contexts), {.seed = 0, .first = 0});
      time = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / 64;
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

  void save_checkpoint(const std::filesystem::path& path, run_progress progress) override {
    fewstep::save_checkpoint(path, content(progress));
  }
  void load_checkpoint(const std::filesystem::path& path, run_progress& progress) override {
    fewstep::load_checkpoint(path, content(progress));
  }
  void save_model(const std::filesystem::path& path) override {
    auto& network = policy_.network();
    fewstep::save_text_unet(path, network, network.parameters());
  }

 private:
  [[nodiscard]] std::int64_t trained_steps() const {
    if constexpr (requires { trainer_.options().steps_with_gradient; })
      return trainer_.options().steps_with_gradient;
    else
      return trainer_.table().trained - trainer_.table().first_trained;
  }

  [[nodiscard]] auto content(run_progress& progress) {
    return [this, &progress](auto& archive) {
      archive.must_match("data_checksum", data_checksum_);
      archive.must_match("base_checksum", base_checksum_);
      archive.must_match("method", settings_.method);
      archive.must_match("reward", settings_.reward);
      archive.must_match("reward_model_checksum", reward_model_checksum_);
      archive.must_match("learning_rate", settings_.learning_rate);
      archive.must_match("kl", settings_.kl);
      archive.must_match("guidance", settings_.guidance);
      archive("seconds", progress.seconds);
      archive("last_evaluated", progress.last_evaluated);
      archive("trainer", trainer_);
    };
  }

  fewstep::cpu_backend& host_;
  train_settings settings_;
  task_reward reward_;
  std::uint32_t data_checksum_, reward_model_checksum_, base_checksum_;
  Policy base_, policy_;
  std::vector<fewstep::token_list> contexts_;
  fewstep::step_table table_;
  fewstep::held_out_samples<fewstep::cpu_backend, decltype(Policy::model)> held_out_;
  std::invoke_result_t<const Make&, fewstep::cpu_backend&, Policy&, Policy&> trainer_;
};

/// Makes the learners of a policy: the trainer is make(backend, policy).
template <class Policy>
struct learner_maker {
  fewstep::cpu_backend& host;
  const train_settings& settings;
  const prompt_texts& prompts;
  const task_reward& reward;

  template <class Sampler, class Make>
  [[nodiscard]] std::unique_ptr<learner> operator()(const Sampler& sampler, const Make& make) const {
    return made(sampler, [&make](fewstep::cpu_backend& b, Policy& p, Policy&) { return make(b, p); });
  }

  /// As above with make(backend, policy, regularizer), which is the KL to the base if there is to be one.
  template <class Sampler, class Make>
  [[nodiscard]] std::unique_ptr<learner> regularized(const Sampler& sampler, const Make& make) const {
    if (settings.kl > 0)
      return made(sampler, [this, &make](fewstep::cpu_backend& b, Policy& p, Policy& base) {
        return make(b, p, fewstep::kl_to_reference(base.model, {settings.kl}));
      });
    return (*this)(sampler,
                   [&make](fewstep::cpu_backend& b, Policy& p) { return make(b, p, fewstep::no_regularizer{}); });
  }

 private:
  template <class Sampler, class Make>
  [[nodiscard]] std::unique_ptr<learner> made(const Sampler& sampler, const Make& make) const {
    return std::make_unique<learner_with<Policy, Sampler, Make>>(host, settings, prompts, reward, sampler, make);
  }
};

/// Settings that the library's options have under the same names.
template <class Options>
[[nodiscard]] Options common(const train_settings& s, Options o = {}) {
  o.horizon = s.horizon;
  o.batch.prompts = s.prompts;
  o.batch.samples_per_prompt = s.samples;
  o.training.seed = s.seed;
  if constexpr (requires { o.optimizer_steps; }) o.optimizer_steps = s.optimizer_steps;
  return o;
}

}  // namespace paper

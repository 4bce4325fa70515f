// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "learner.hpp"
#include "models.hpp"

#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>

#include <type_traits>
#include <utility>

namespace paper {

/// A policy and the trainer that make(backend, policy) returns for it.
template <class Policy, class Make>
class learner_with final : public learner {
 public:
  learner_with(fewstep::cpu_backend& host, const train_settings& s, const Make& make)
      : host_(&host),
        settings_(s),
        base_checksum_(fewstep::crc32c(fewstep::read_file(model_of(s)))),
        policy_(host, model_of(s), drawing_of(s)),
        trainer_(make(host, policy_)) {}

  [[nodiscard]] fewstep::token_list encode(const std::string& prompt) const override {
    return policy_.model.encode(prompt);
  }
  [[nodiscard]] int network_calls() const override { return trainer_.table().horizon() * policy_.calls_per_step(); }
  [[nodiscard]] std::vector<float> draw(std::span<const fewstep::token_list> contexts, std::uint64_t seed,
                                        std::uint64_t first) override {
    return draw_with(*host_, policy_.model, trainer_.table(), contexts, {.seed = seed, .first = first});
  }
  [[nodiscard]] update_cost cost() const override {
    const auto& o = trainer_.options();
    return {o.batch(), o.batch() * network_calls(),
            o.batch() * trainer_.table().trained * o.inner_epochs * policy_.calls_per_step()};
  }
  [[nodiscard]] std::int64_t index() const override { return trainer_.index(); }
  [[nodiscard]] bool is_whole() const override { return trainer_.is_whole(); }
  fewstep::update_report update(std::span<const fewstep::token_list> contexts) override {
    return trainer_.update(contexts);
  }
  void save_checkpoint(const std::filesystem::path& path, double seconds) override {
    fewstep::save_checkpoint(path, content(seconds));
  }
  void load_checkpoint(const std::filesystem::path& path, double& seconds) override {
    fewstep::load_checkpoint(path, content(seconds));
  }
  void save_model(const std::filesystem::path& path) override {
    auto& network = policy_.network();
    fewstep::save_text_unet(path, network, network.parameters());
  }

 private:
  [[nodiscard]] auto content(double& seconds) {
    return [this, &seconds](auto& archive) {
      archive.must_match("base_checksum", base_checksum_);
      archive.must_match("reward", settings_.reward);
      archive.must_match("learning_rate", settings_.learning_rate);
      archive.must_match("guidance", settings_.guidance);
      archive("seconds", seconds);
      archive("trainer", trainer_);
    };
  }

  fewstep::cpu_backend* host_;
  train_settings settings_;
  std::uint32_t base_checksum_;
  Policy policy_;
  std::invoke_result_t<const Make&, fewstep::cpu_backend&, Policy&> trainer_;
};

template <class Policy, class Make>
[[nodiscard]] std::unique_ptr<learner> make_learner_with(fewstep::cpu_backend& host, const train_settings& s,
                                                         const Make& make) {
  return std::make_unique<learner_with<Policy, Make>>(host, s, make);
}

}  // namespace paper

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "drawing.hpp"
#include "emoji_generator.hpp"
#include "runtime_on.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <memory>
#include <utility>

namespace text_to_emoji {

template <class Backend>
class pretraining_on final : public pretraining {
 public:
  using generator_type = emoji_generator<Backend>;

  pretraining_on(Backend& backend, const pretrain_settings& s, const emoji_data& data)
      : backend_(&backend),
        settings_(s),
        data_checksum_(data.checksum()),
        model_(std::make_shared<generator_type>(backend, data.words, options_of_model(s))),
        painter_(make_painter(backend, model_)),
        trainer_(backend, *model_, fewstep::adam{.learning_rate = s.learning_rate, .beta2 = s.beta2},
                 {.steps = s.steps,
                  .batch = s.batch,
                  .log_time_mean = s.log_time_mean,
                  .log_time_deviation = s.log_time_deviation,
                  .huber = s.huber,
                  .schedule = {.warmup = s.warmup, .hold = s.steps / 2, .total = s.steps, .final = s.final_rate},
                  .seed = s.seed}) {}

  [[nodiscard]] fewstep::index_t parameters() const override { return model_->parameters().size(); }
  [[nodiscard]] std::int64_t index() const override { return trainer_.index(); }
  fewstep::consistency_training_report step(const emoji_examples& source) override { return trainer_.step(source); }
  void save_checkpoint(const std::filesystem::path& path) override { fewstep::save_checkpoint(path, content()); }
  void load_checkpoint(const std::filesystem::path& path) override { fewstep::load_checkpoint(path, content()); }
  void save_ema(const std::filesystem::path& path) override {
    save_generator(*backend_, path, *model_, trainer_.ema(), settings_.half);
  }
  [[nodiscard]] painter& take_ema() override {
    const auto ema = trainer_.ema();
    std::vector<float> values(static_cast<std::size_t>(ema.size()));
    backend_->copy_to_host(ema.data, values.data(), ema.size());
    backend_->copy_to_device(values.data(), model_->parameters().data, ema.size());
    return *painter_;
  }

 private:
  static typename generator_type::options options_of_model(const pretrain_settings& s) {
    typename generator_type::options options;
    options.preconditioner = emoji_preconditioning;
    options.seed = s.seed;
    options.network.unet.widths.assign(s.widths.begin(), s.widths.end());
    return options;
  }
  [[nodiscard]] auto content() {
    return [this](auto& archive) {
      const pretrain_settings& s = settings_;
      archive.must_match("data_checksum", data_checksum_);
      archive.must_match("steps", s.steps);
      archive.must_match("batch", s.batch);
      archive.must_match("seed", s.seed);
      archive.must_match("learning_rate", s.learning_rate);
      archive.must_match("beta2", s.beta2);
      archive.must_match("log_time_mean", s.log_time_mean);
      archive.must_match("log_time_deviation", s.log_time_deviation);
      archive.must_match("huber", s.huber);
      archive.must_match("warmup", s.warmup);
      archive("trainer", trainer_);
    };
  }

  Backend* backend_;
  pretrain_settings settings_;
  std::uint32_t data_checksum_;
  std::shared_ptr<generator_type> model_;
  std::unique_ptr<painter> painter_;
  fewstep::consistency_training<Backend, generator_type, fewstep::adam> trainer_;
};

template <class Backend>
std::unique_ptr<pretraining> runtime_on<Backend>::pretrain(const pretrain_settings& s, const emoji_data& data) {
  return std::make_unique<pretraining_on<Backend>>(backend_, s, data);
}

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "finetune_trainer.hpp"
#include "runtime_on.hpp"

#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>

#include <memory>
#include <utility>

namespace text_to_emoji {

template <class Backend, class Regularizer>
class finetuning_on final : public finetuning {
 public:
  using generator_type = emoji_generator<Backend>;

  finetuning_on(Backend& backend, const finetune_settings& s, std::uint32_t data_checksum,
                std::shared_ptr<emoji_reference<Backend>> base, std::shared_ptr<generator_type> model,
                Regularizer regularizer)
      : backend_(&backend),
        settings_(s),
        data_checksum_(data_checksum),
        base_checksum_(fewstep::crc32c(fewstep::read_file(s.checkpoint))),
        reward_model_checksum_(is_learned(s.task) ? fewstep::crc32c(fewstep::read_file(s.reward_model)) : 0),
        model_(model),
        before_(make_painter(backend, std::move(base))),
        after_(make_painter(backend, std::move(model))),
        trainer_(make_trainer(backend, *model_, settings_, std::move(regularizer))) {}

  [[nodiscard]] summary describe() override {
    std::vector<float> times;
    for (const auto& row : trainer_.table().rows) times.push_back(row.time);
    return {model_->base_parameters().size(),
            model_->parameters().size(),
            model_->has_adapters(),
            std::move(times),
            trainer_.parts().objective.clip_range.low,
            trainer_.memory()};
  }
  [[nodiscard]] std::int64_t index() const override { return trainer_.index(); }
  [[nodiscard]] bool is_whole() const override { return trainer_.is_whole(); }
  fewstep::update_report update(std::span<const fewstep::token_list> contexts) override {
    return trainer_.update(contexts);
  }
  void save_checkpoint(const std::filesystem::path& path) override { fewstep::save_checkpoint(path, content()); }
  void load_checkpoint(const std::filesystem::path& path) override { fewstep::load_checkpoint(path, content()); }
  void save_model(const std::filesystem::path& path) override {
    save_generator(*backend_, path, *model_, model_->parameters());
  }
  [[nodiscard]] painter& before() override { return *before_; }
  [[nodiscard]] painter& after() override { return *after_; }

 private:
  using trainer_type = decltype(make_trainer(std::declval<Backend&>(), std::declval<generator_type&>(),
                                             std::declval<const finetune_settings&>(), std::declval<Regularizer>()));

  [[nodiscard]] auto content() {
    return [this](auto& archive) {
      const finetune_settings& s = settings_;
      archive.must_match("data_checksum", data_checksum_);
      archive.must_match("base_checksum", base_checksum_);
      archive.must_match("reward", s.task);
      if (is_learned(s.task)) archive.must_match("reward_model_checksum", reward_model_checksum_);
      archive.must_match("updates", s.updates);
      archive.must_match("learning_rate", s.learning_rate);
      archive.must_match("kl", s.kl);
      archive.must_match("clip", s.clip);
      archive.must_match("last_step", s.last_step);
      archive.must_match("advantage_name", s.advantage);
      archive.must_match("lora", s.lora);
      archive("trainer", trainer_);
    };
  }

  Backend* backend_;
  finetune_settings settings_;
  std::uint32_t data_checksum_, base_checksum_, reward_model_checksum_;
  std::shared_ptr<generator_type> model_;
  std::unique_ptr<painter> before_, after_;
  trainer_type trainer_;
};

template <class Backend>
std::unique_ptr<finetuning> runtime_on<Backend>::finetune(const finetune_settings& s, const emoji_data& data) {
  auto model = std::make_shared<emoji_generator<Backend>>(load_generator(backend_, s.checkpoint, s.lora, s.seed));
  auto base = load_reference(backend_, s.checkpoint, model);
  const auto with = [&](auto regularizer) -> std::unique_ptr<finetuning> {
    return std::make_unique<finetuning_on<Backend, decltype(regularizer)>>(backend_, s, data.checksum(), base, model,
                                                                           std::move(regularizer));
  };
  if (s.kl > 0) return with(fewstep::kl_to_reference(*base, {.coefficient = s.kl}));
  return with(fewstep::no_regularizer{});
}

}  // namespace text_to_emoji

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../text_to_emoji/folder_lock.hpp"
#include "../text_to_emoji/interrupt.hpp"
#include "../text_to_emoji/option_checks.hpp"
#include "../text_to_emoji/run_loop.hpp"
#include "settings.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/log/progress_bar.hpp>
#include <fewstep/nn/image_encoder.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

namespace reward_models {

/// The reward model's view of a picture.
[[nodiscard]] inline fewstep::image_encoder_options encoder_of(const training_settings& s) {
  return {.patch = 2, .widths = {s.widths.begin(), s.widths.end()}, .features = s.features};
}

[[nodiscard]] inline fewstep::adam rule_of(const training_settings& s) {
  return {.learning_rate = s.learning_rate, .beta2 = 0.99f};
}

/// Those of the library, from what both trainings have in common.
template <class Options>
[[nodiscard]] Options options_of(const training_settings& s) {
  Options o;
  o.steps = s.steps;
  o.batch = s.batch;
  o.ema_decay = s.ema_decay;
  o.schedule = {.warmup = s.steps / 20, .hold = s.steps / 2, .total = s.steps, .final = 0.02f};
  return o;
}

/// Where an unfinished training of this model stands.
[[nodiscard]] inline std::filesystem::path checkpoint_of(std::filesystem::path model) {
  return model.replace_extension(".checkpoint.safetensors");
}

/// Refuses what a training cannot begin with.
inline void check(const training_settings& s) {
  using namespace text_to_emoji;
  expect_at_least("--steps", s.steps, 1);
  expect_at_least("--batch", s.batch, 1);
  expect_at_least("--features", s.features, 1);
  expect_positive("--learning-rate", s.learning_rate);
  expect_decay("--ema-decay", s.ema_decay);
  expect_threads(s.threads);
  expect_at_least("--checkpoint-every", s.checkpoint_every, 1);
}

/// Where a training writes its model and checkpoint, and no other one meanwhile.
class training_place {
 public:
  /// Refuses to lose what is there if that was not asked for.
  explicit training_place(const training_settings& s)
      : lock_(lock_of(s), s.output, "wait for it, or name another model by --output") {
    const bool is_begun = std::filesystem::exists(checkpoint_of(s.output));
    if (s.overwrite || (s.resume && is_begun)) return;
    if (is_begun)
      throw std::runtime_error(fewstep::message(checkpoint_of(s.output).string(),
                                                ": is a training that has not ended; go on with it by --resume, begin "
                                                "anew by --overwrite, or name another model by --output"));
    if (std::filesystem::exists(s.output))
      throw std::runtime_error(fewstep::message(
          s.output.string(), ": is there already; replace it by --overwrite, or name another model by --output"));
  }

 private:
  /// In the folder of the model, which is made and proved writable.
  static std::filesystem::path lock_of(const training_settings& s) {
    fewstep::require_writable_directory(std::filesystem::absolute(s.output).parent_path());
    return checkpoint_of(s.output) += ".lock";
  }

  text_to_emoji::write_lock lock_;
};

/// Trains to the end, or with false until it is interrupted; must_match(archive) names what the source depends on
/// beside the seed. At the end the model has the EMA of its parameters, and the checkpoint stays until
/// finish_training.
template <class Model, class Trainer, class Source, class MustMatch>
[[nodiscard]] bool train(const training_settings& s, Model& model, Trainer& trainer, Source& source,
                         const MustMatch& must_match) {
  const auto checkpoint = checkpoint_of(s.output);
  const auto content = [&](auto& archive) {
    must_match(archive);
    archive.must_match("steps", s.steps);
    archive.must_match("learning_rate", s.learning_rate);
    archive.must_match("seed", s.seed);
    archive("trainer", trainer);
  };
  if (s.resume && std::filesystem::exists(checkpoint)) {
    fewstep::load_checkpoint(checkpoint, content);
    std::printf("resuming     after step %lld of %lld\n", static_cast<long long>(trainer.index()),
                static_cast<long long>(s.steps));
  }
  std::fflush(stdout);
  {
    fewstep::progress_bar bar(s.steps, "training");
    const auto step = [&] {
      const auto report = trainer.step(source);
      bar.update(trainer.index(),
                 {{"loss", report.loss}, {"accuracy", report.accuracy}, {"gradient", report.gradient_norm}});
    };
    text_to_emoji::run_steps(trainer, s.steps, s.checkpoint_every, step,
                             [&] { fewstep::save_checkpoint(checkpoint, content); });
  }
  if (!trainer.finished()) {
    std::printf("interrupted after step %lld of %lld; the same command with --resume goes on\n",
                static_cast<long long>(trainer.index()), static_cast<long long>(s.steps));
    return false;
  }
  const auto ema = trainer.ema();
  if (ema.size() > 0) std::copy(ema.begin(), ema.end(), model.parameters().begin());
  return true;
}

/// Puts figures under the model's name into reward_models.json beside the model, and removes the checkpoint.
void finish_training(const training_settings& s, const char* model, const nlohmann::ordered_json& figures);

/// The double that is written as the float is.
[[nodiscard]] double as_written(float value);

}  // namespace reward_models

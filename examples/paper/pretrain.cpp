// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"
#include "run_settings.hpp"
#include "settings.hpp"
#include "small_data.hpp"
#include "text_to_emoji/folder_lock.hpp"
#include "text_to_emoji/interrupt.hpp"
#include "text_to_emoji/option_checks.hpp"
#include "text_to_emoji/run_loop.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/log/progress_bar.hpp>
#include <fewstep/model_file/text_unet_file.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace paper {
namespace {

namespace fs = std::filesystem;

struct part {
  std::string name;
  std::int64_t steps;
  int first_stage, stages;
  float learning_rate;
};

template <class P>
unet<P> untrained(fewstep::cpu_backend& host, const pretrain_settings& s, const emoji_data& data) {
  typename unet<P>::options o;
  o.preconditioner = {.sigma_data = sigma_data, .sigma_min = sigma_min, .sigma_max = sigma_max};
  o.seed = s.seed;
  o.network.text_width = s.text_width;
  auto& u = o.network.unet;
  u.height = u.width = small_side;
  u.widths.assign(s.widths.begin(), s.widths.end());
  u.patch = 1;
  u.encoder_blocks = u.decoder_blocks = 1;
  u.middle_blocks = 2;
  u.condition = s.condition;
  return unet<P>(host, data.words, o);
}

fewstep::consistency_training_options options(const pretrain_settings& s, const part& p) {
  return {.steps = p.steps,
          .batch = s.batch,
          .stages = p.stages,
          .first_stage = p.first_stage,
          .log_time_mean = s.log_time_mean,
          .log_time_deviation = s.log_time_deviation,
          .huber = s.huber,
          .sigma_data = sigma_data,
          .schedule = {.warmup = s.warmup, .hold = p.steps / 2, .total = p.steps, .final = s.final_rate},
          .seed = s.seed + static_cast<std::uint64_t>(p.first_stage)};
}

/// Trains one of the two models in a folder of its own and writes output/NAME.safetensors; false if interrupted. Goes
/// on from the checkpoint that an interrupted run left.
template <class P>
bool train(fewstep::cpu_backend& host, const pretrain_settings& s, const emoji_data& data, unet<P> model,
           const part& p) {
  const fs::path folder = s.output / p.name, checkpoint = folder / "checkpoint.safetensors";
  fewstep::require_writable_directory(folder);
  const auto o = options(s, p);
  fewstep::consistency_training trainer(host, model, fewstep::adam{.learning_rate = p.learning_rate, .beta2 = s.beta2},
                                        o);
  const std::uint32_t data_checksum = data.checksum();
  const auto content = [&](auto& archive) {
    archive.must_match("data_checksum", data_checksum);
    archive.must_match("learning_rate", p.learning_rate);
    archive("trainer", trainer);
  };
  if (fs::exists(checkpoint)) fewstep::load_checkpoint(checkpoint, content);
  std::printf("%s: %td parameters, %lld steps of %d pictures, from step %lld\n", p.name.c_str(),
              model.parameters().size(), static_cast<long long>(p.steps), s.batch,
              static_cast<long long>(trainer.index()));
  std::fflush(stdout);

  const auto columns = fewstep::figure_names<fewstep::consistency_training_report>();
  auto table = trainer.index() > 0 ? fewstep::metrics_csv::resume_at(folder / "loss.csv", columns, trainer.index())
                                   : fewstep::metrics_csv(folder / "loss.csv", columns);
  text_to_emoji::warn_of_gap(folder / "loss.csv", table);
  small_examples source(data, o.seed);
  {
    fewstep::progress_bar bar(p.steps, p.name);
    text_to_emoji::run_steps(
        trainer, p.steps, s.checkpoint_every,
        [&] {
          const auto report = trainer.step(source);
          table.append(trainer.index(), report);
          bar.update(trainer.index(), {{"stage", report.stage}, {"loss", report.loss}});
        },
        [&] {
          table.synchronise();
          fewstep::save_checkpoint(checkpoint, content);
        });
  }
  if (!trainer.finished()) return false;
  fewstep::save_text_unet(s.output / (p.name + ".safetensors"), model, trainer.ema(), fewstep::element_type::f16);
  return true;
}

void check(const pretrain_settings& s) {
  using namespace text_to_emoji;
  expect_at_least("--denoiser-steps", s.denoiser_steps, 1);
  expect_at_least("--consistency-steps", s.consistency_steps, 1);
  expect_at_least("--batch", s.batch, 1);
  expect_at_least("--text-width", s.text_width, 1);
  expect_at_least("--condition", s.condition, 1);
  expect_positive("--denoiser-rate", s.denoiser_rate);
  expect_positive("--consistency-rate", s.consistency_rate);
  expect_at_least("--huber", s.huber, 0);
  expect_threads(s.threads);
  expect_at_least("--checkpoint-every", s.checkpoint_every, 1);
}

nlohmann::ordered_json as_json(const pretrain_settings& s, const emoji_data& data) {
  return {{"data_checksum", data.checksum()},
          {"denoiser_steps", s.denoiser_steps},
          {"consistency_steps", s.consistency_steps},
          {"batch", s.batch},
          {"widths", s.widths},
          {"text_width", s.text_width},
          {"condition", s.condition},
          {"denoiser_rate", as_written(s.denoiser_rate)},
          {"consistency_rate", as_written(s.consistency_rate)},
          {"huber", as_written(s.huber)},
          {"seed", s.seed}};
}

/// Throws if the folder has models that other settings, or another program, made.
void begin_or_continue(const pretrain_settings& s, const emoji_data& data) {
  if (fs::exists(settings_file(s.output))) {
    expect_same_settings(s.output, as_json(s, data));
    return;
  }
  for (const char* name : {"denoiser.safetensors", "consistency.safetensors"})
    if (fs::exists(s.output / name))
      throw std::runtime_error(fewstep::message((s.output / name).string(),
                                                ": is there already, and no run of this "
                                                "program to go on with; name another folder by --output"));
  fewstep::write_atomically(settings_file(s.output), as_json(s, data).dump(2) + "\n");
}

}  // namespace

int pretrain(const pretrain_settings& s) {
  check(s);
  text_to_emoji::watch_for_interrupts();
  fewstep::cpu_backend host({.threads = s.threads});
  const auto data = emoji_data::load(s.data);
  auto denoiser_to_train = untrained<fewstep::edm_denoiser>(host, s, data);
  fewstep::require_writable_directory(s.output);
  const text_to_emoji::folder_lock lock(s.output);
  begin_or_continue(s, data);
  if (fs::exists(s.output / "consistency.safetensors")) {
    std::printf("%s: finished already\n", s.output.c_str());
    return 0;
  }
  const fs::path denoiser = s.output / "denoiser.safetensors";
  const auto interrupted = [] {
    std::printf("interrupted; the same command goes on\n");
    return text_to_emoji::interrupted_status();
  };
  if (!fs::exists(denoiser) &&
      !train(host, s, data, std::move(denoiser_to_train), {"denoiser", s.denoiser_steps, 0, 0, s.denoiser_rate}))
    return interrupted();
  if (!train(host, s, data, load_unet<fewstep::edm_consistency>(host, denoiser),
             {"consistency", s.consistency_steps, 1, 3, s.consistency_rate}))
    return interrupted();
  std::printf("written to %s: denoiser.safetensors, consistency.safetensors\n", s.output.c_str());
  return 0;
}

}  // namespace paper

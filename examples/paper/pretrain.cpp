// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"
#include "small_data.hpp"
#include "text_to_emoji/interrupt.hpp"
#include "text_to_emoji/run_loop.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/io/metrics_csv.hpp>
#include <fewstep/io/progress_bar.hpp>
#include <fewstep/io/text_unet_file.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace paper {
namespace {

namespace fs = std::filesystem;

template <class Preconditioning>
using network = fewstep::text_unet<fewstep::cpu_backend, Preconditioning>;

struct part {
  std::string name;
  std::int64_t steps;
  int first_stage, stages;
  float learning_rate;
};

template <class P>
network<P> untrained(fewstep::cpu_backend& host, const pretrain_settings& s, const emoji_data& data) {
  typename network<P>::options o;
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
  return network<P>(host, data.words, o);
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
bool train(fewstep::cpu_backend& host, const pretrain_settings& s, const emoji_data& data, network<P> model,
           const part& p) {
  const fs::path folder = s.output / p.name, checkpoint = folder / "checkpoint.safetensors";
  fewstep::require_writable_directory(folder);
  const auto o = options(s, p);
  fewstep::consistency_training trainer(host, model, fewstep::adam{.learning_rate = p.learning_rate, .beta2 = s.beta2},
                                        o);
  const auto content = [&](auto& archive) {
    archive.must_match("learning_rate", p.learning_rate);
    archive("trainer", trainer);
  };
  if (fs::exists(checkpoint)) fewstep::load_checkpoint(checkpoint, content);
  std::printf("%s: %td parameters, %lld steps of %d pictures, from step %lld\n", p.name.c_str(),
              model.parameters().size(), static_cast<long long>(p.steps), s.batch,
              static_cast<long long>(trainer.index()));
  std::fflush(stdout);

  const std::vector<std::string> columns{"stage", "loss", "gradient_norm"};
  auto table = trainer.index() > 0 ? fewstep::metrics_csv::resume_at(folder / "loss.csv", columns, trainer.index())
                                   : fewstep::metrics_csv(folder / "loss.csv", columns);
  small_examples source(data, o.seed);
  {
    fewstep::progress_bar bar(p.steps, p.name);
    text_to_emoji::run_steps(
        trainer, p.steps, s.checkpoint_every,
        [&] {
          const auto report = trainer.step(source);
          table.append(trainer.index(), report.stage, report.loss, report.gradient_norm);
          bar.update(trainer.index(), {{"stage", report.stage}, {"loss", report.loss}});
        },
        [&] { fewstep::save_checkpoint(checkpoint, content); });
  }
  if (!trainer.finished()) return false;
  fewstep::save_text_unet(s.output / (p.name + ".safetensors"), model, trainer.average(), fewstep::element_type::f16);
  return true;
}

}  // namespace

int pretrain(const pretrain_settings& s) {
  fewstep::cpu_backend host({.threads = s.threads});
  const auto data = emoji_data::load(s.data);
  const fs::path denoiser = s.output / "denoiser.safetensors";
  const auto interrupted = [] {
    std::printf("interrupted; the same command goes on\n");
    return text_to_emoji::interrupted_status;
  };
  if (!fs::exists(denoiser) && !train(host, s, data, untrained<fewstep::edm_denoiser>(host, s, data),
                                      {"denoiser", s.denoiser_steps, 0, 0, s.denoiser_rate}))
    return interrupted();
  if (!train(host, s, data, fewstep::load_consistency_model(host, denoiser),
             {"consistency", s.consistency_steps, 1, 3, s.consistency_rate}))
    return interrupted();
  std::printf("written to %s: denoiser.safetensors, consistency.safetensors\n", s.output.c_str());
  return 0;
}

}  // namespace paper

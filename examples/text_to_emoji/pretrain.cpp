// SPDX-License-Identifier: Apache-2.0
#include "drawing.hpp"
#include "emoji_data.hpp"
#include "interrupt.hpp"
#include "run_folder.hpp"
#include "run_loop.hpp"
#include "settings.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/metrics_csv.hpp>
#include <fewstep/io/progress_bar.hpp>
#include <fewstep/io/svg_plot.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace text_to_emoji {
namespace {

using trainer_type = fewstep::consistency_training<fewstep::cpu_backend, emoji_generator, fewstep::adam>;

emoji_generator new_model(const pretrain_settings& s, fewstep::cpu_backend& backend, const emoji_data& data) {
  emoji_generator::options options;
  options.preconditioner = emoji_preconditioning;
  options.seed = s.seed;
  options.network.unet.widths.assign(s.widths.begin(), s.widths.end());
  return emoji_generator(backend, data.words, options);
}

fewstep::consistency_training_options options_of(const pretrain_settings& s) {
  return {.steps = s.steps,
          .batch = s.batch,
          .log_time_mean = s.log_time_mean,
          .log_time_deviation = s.log_time_deviation,
          .huber = s.huber,
          .schedule = {.warmup = s.warmup, .hold = s.steps / 2, .total = s.steps, .final = s.final_rate},
          .seed = s.seed};
}

auto checkpoint_content(const pretrain_settings& s, trainer_type& trainer) {
  return [&](auto& archive) {
    archive.must_match("steps", s.steps);
    archive.must_match("batch", s.batch);
    archive.must_match("seed", s.seed);
    archive.must_match("learning_rate", s.learning_rate);
    archive.must_match("beta2", s.beta2);
    archive.must_match("log_time_mean", s.log_time_mean);
    archive.must_match("log_time_deviation", s.log_time_deviation);
    archive.must_match("huber", s.huber);
    archive.must_match("warmup", s.warmup);
    archive("trainer", trainer);
  };
}

/// Means of the loss over stretches of the run, a curve for each stage: their losses are different quantities.
void plot_loss(const pretrain_settings& s) {
  const std::int64_t stretch = std::max<std::int64_t>(1, s.steps / 200);
  std::vector<fewstep::plot_series> curves;
  double sum = 0;
  std::int64_t count = 0;
  for (const auto& row : read_table(s.output / "loss.csv", 3)) {
    const double step = row[0], stage = row[1], loss = row[2];
    if (static_cast<double>(curves.size()) <= stage) {
      const std::string number = std::to_string(static_cast<int>(stage));
      curves.push_back({.name = stage > 0 ? "stage " + number : "denoiser"});
      sum = 0;
      count = 0;
    }
    sum += loss;
    if (++count < stretch) continue;
    curves.back().x.push_back(step);
    curves.back().y.push_back(sum / static_cast<double>(count));
    sum = 0;
    count = 0;
  }
  fewstep::write_svg_plot(s.output / "loss.svg", {.title = "pretraining", .x_label = "step", .y_label = "loss"},
                          curves);
}

/// Twelve names, eight pictures of each with two network calls.
void draw_samples(const pretrain_settings& s, fewstep::cpu_backend& backend, emoji_generator& model,
                  const emoji_data& data) {
  std::vector<fewstep::token_list> contexts;
  for (std::size_t i = 0; i < 12; ++i)
    contexts.insert(contexts.end(), 8, model.encode(data.names[i * data.names.size() / 12]));
  save_picture_grid(s.output / "samples.png", draw_pictures(backend, model, contexts, times_for(2), s.seed), 8, 3);
}

}  // namespace

int pretrain(const pretrain_settings& s) {
  fewstep::expects(s.checkpoint_every >= 1, [&] {
    return fewstep::message("--checkpoint-every is ", s.checkpoint_every, "; it must be at least 1");
  });
  refuse_unfinished_run(s.output, "samples.png", s.resume || s.overwrite);
  fewstep::require_writable_directory(s.output);
  const auto data = emoji_data::load(s.data);
  fewstep::cpu_backend backend({.threads = s.threads});
  emoji_generator model = new_model(s, backend, data);
  trainer_type trainer(backend, model, fewstep::adam{.learning_rate = s.learning_rate, .beta2 = s.beta2},
                       options_of(s));
  const auto checkpoint = s.output / "checkpoint.safetensors";
  if (s.resume && std::filesystem::exists(checkpoint))
    fewstep::load_checkpoint(checkpoint, checkpoint_content(s, trainer));
  else
    begin_run(s.output, {"base.safetensors", "denoiser.safetensors", "samples.png", "loss.svg"});
  std::printf("model        %td parameters, widths", model.parameters().size());
  for (const auto width : s.widths) std::printf(" %lld", static_cast<long long>(width));
  std::printf("\ndata         %zu pictures of %zu names; %zu more held out\n", data.training.size(), data.names.size(),
              data.unseen.size());
  std::printf("run          %lld steps of %d pictures, seed %llu, %d threads, from step %lld\noutput       %s\n\n",
              static_cast<long long>(s.steps), s.batch, static_cast<unsigned long long>(s.seed), backend.threads(),
              static_cast<long long>(trainer.index()), s.output.c_str());
  std::fflush(stdout);

  const std::vector<std::string> columns{"stage", "loss", "gradient_norm"};
  auto table = trainer.index() > 0 ? fewstep::metrics_csv::resume_at(s.output / "loss.csv", columns, trainer.index())
                                   : fewstep::metrics_csv(s.output / "loss.csv", columns);
  const emoji_examples source(data, s.seed);
  const std::int64_t denoiser_steps = s.steps / (fewstep::consistency_training_options{}.stages + 1);
  {
    fewstep::progress_bar bar(s.steps, "pretraining");
    const auto step = [&] {
      const auto report = trainer.step(source);
      const std::int64_t done = trainer.index();
      table.append(done, report.stage, report.loss, report.gradient_norm);
      if (done == denoiser_steps) save_generator(s.output / "denoiser.safetensors", model, trainer.average(), s.half);
      bar.update(done, {{"stage", report.stage}, {"loss", report.loss}, {"gradient", report.gradient_norm}});
    };
    run_steps(trainer, s.steps, s.checkpoint_every, step,
              [&] { fewstep::save_checkpoint(checkpoint, checkpoint_content(s, trainer)); });
  }
  plot_loss(s);
  if (!trainer.finished()) {
    std::printf("interrupted after step %lld of %lld; the same command with --resume goes on\n",
                static_cast<long long>(trainer.index()), static_cast<long long>(s.steps));
    return interrupted_status;
  }

  save_generator(s.output / "base.safetensors", model, trainer.average(), s.half);
  std::copy_n(trainer.average().data, model.parameters().size(), model.parameters().data);
  draw_samples(s, backend, model, data);
  std::printf("written to %s: base.safetensors, denoiser.safetensors, samples.png, loss.svg and more\n",
              s.output.c_str());
  return 0;
}

}  // namespace text_to_emoji

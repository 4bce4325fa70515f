// SPDX-License-Identifier: Apache-2.0
#include "drawing.hpp"
#include "emoji_data.hpp"
#include "interrupt.hpp"
#include "option_checks.hpp"
#include "run_folder.hpp"
#include "run_loop.hpp"
#include "runtime.hpp"
#include "settings.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/log/progress_bar.hpp>
#include <fewstep/log/svg_plot.hpp>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace text_to_emoji {
namespace {

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
void draw_samples(const pretrain_settings& s, painter& artist, const emoji_data& data) {
  std::vector<fewstep::token_list> contexts;
  for (std::size_t i = 0; i < 12; ++i)
    contexts.insert(contexts.end(), 8, artist.encode(data.names[i * data.names.size() / 12]));
  save_picture_grid(s.output / "samples.png", artist.draw(contexts, times_for(2), s.seed), 8, 3);
}

void check(const pretrain_settings& s) {
  expect_at_least("--steps", s.steps, 1);
  expect_at_least("--batch", s.batch, 1);
  expect_positive("--learning-rate", s.learning_rate);
  expect_decay("--beta2", s.beta2);
  expect_at_least("--log-time-deviation", s.log_time_deviation, 0);
  expect_at_least("--huber", s.huber, 0);
  expect_at_least("--warmup", s.warmup, 0);
  expect_threads(s.threads);
  expect_at_least("--checkpoint-every", s.checkpoint_every, 1);
}

}  // namespace

int pretrain(const pretrain_settings& s) {
  check(s);
  watch_for_interrupts();
  const auto runtime = make_runtime(s.backend, s.threads);
  const auto data = emoji_data::load(s.data);
  fewstep::cpu_backend host({.threads = s.threads});
  const auto task = runtime->pretrain(s, data);
  const run_folder folder(s.output, {"base.safetensors", "denoiser.safetensors", "loss.svg", "samples.png"},
                          {.resume = s.resume, .overwrite = s.overwrite});
  if (folder.goes_on())
    task->load_checkpoint(folder.checkpoint());
  else
    folder.begin();
  std::printf("model        %td parameters, widths", task->parameters());
  for (const auto width : s.widths) std::printf(" %lld", static_cast<long long>(width));
  std::printf("\ndata         %zu pictures of %zu names; %zu more held out\n", data.training.size(), data.names.size(),
              data.unseen.size());
  std::printf("run          %lld steps of %d pictures, seed %llu, %d threads%s, from step %lld\noutput       %s\n\n",
              static_cast<long long>(s.steps), s.batch, static_cast<unsigned long long>(s.seed), host.threads(),
              s.backend == "cpu" ? "" : fewstep::message(", the network on ", s.backend).c_str(),
              static_cast<long long>(task->index()), s.output.c_str());
  std::fflush(stdout);

  const auto columns = fewstep::figure_names<fewstep::consistency_training_report>();
  auto table = task->index() > 0 ? fewstep::metrics_csv::resume_at(s.output / "loss.csv", columns, task->index())
                                 : fewstep::metrics_csv(s.output / "loss.csv", columns);
  warn_of_gap(s.output / "loss.csv", table);
  const emoji_examples source(data, s.seed);
  const std::int64_t denoiser_steps = s.steps / (fewstep::consistency_training_options{}.stages + 1);
  {
    fewstep::progress_bar bar(s.steps, "pretraining");
    const auto step = [&] {
      const auto report = task->step(source);
      const std::int64_t done = task->index();
      table.append(done, report);
      if (done == denoiser_steps) task->save_ema(s.output / "denoiser.safetensors");
      bar.update(done, {{"stage", report.stage}, {"loss", report.loss}, {"gradient", report.gradient_norm}});
    };
    run_steps(*task, s.steps, s.checkpoint_every, step, [&] {
      table.synchronise();
      task->save_checkpoint(folder.checkpoint());
    });
  }
  plot_loss(s);
  if (task->index() < s.steps) {
    std::printf("interrupted after step %lld of %lld; the same command with --resume goes on\n",
                static_cast<long long>(task->index()), static_cast<long long>(s.steps));
    return interrupted_status();
  }

  task->save_ema(s.output / "base.safetensors");
  draw_samples(s, task->take_ema(), data);
  std::printf("written to %s: base.safetensors, %ssamples.png, loss.svg and more\n", s.output.c_str(),
              denoiser_steps > 0 ? "denoiser.safetensors, " : "");
  return 0;
}

}  // namespace text_to_emoji

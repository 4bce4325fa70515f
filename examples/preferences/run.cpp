// SPDX-License-Identifier: Apache-2.0
#include "../text_to_emoji/drawing.hpp"
#include "../text_to_emoji/interrupt.hpp"
#include "../text_to_emoji/option_checks.hpp"
#include "../text_to_emoji/run_folder.hpp"
#include "../text_to_emoji/run_loop.hpp"
#include "examination.hpp"
#include "settings.hpp"
#include "training.hpp"

#include <fewstep/io/atomic_file.hpp>
#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/log/progress_bar.hpp>
#include <fewstep/log/svg_plot.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <span>
#include <vector>

namespace preferences {
namespace {

using fewstep::preference_report;
using text_to_emoji::emoji_data;

void check(const settings& s) {
  text_to_emoji::expect_at_least("--drawn", s.drawn, 1);
  text_to_emoji::expect_at_least("--updates", s.updates, 1);
  text_to_emoji::expect_at_least("--batch", s.batch, 1);
  text_to_emoji::expect_positive("--learning-rate", s.learning_rate);
  text_to_emoji::expect_positive("--beta", s.beta);
  text_to_emoji::expect_at_least("--lora", s.lora, 0);
  text_to_emoji::expect_at_least("--inversion-steps", s.inversion_steps, 1);
  text_to_emoji::expect_threads(s.threads);
  text_to_emoji::expect_at_least("--checkpoint-every", s.checkpoint_every, 1);
  text_to_emoji::expect_at_least("--prompts", s.prompts, 2);
  text_to_emoji::expect_at_least("--samples", s.samples, 2);
}

struct used_so_far {
  double seconds, megabytes;  ///< of all processors; at the peak
};
used_so_far used() {
  ::rusage r{};
  ::getrusage(RUSAGE_SELF, &r);
  const auto seconds = [](const ::timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {seconds(r.ru_utime) + seconds(r.ru_stime), static_cast<double>(r.ru_maxrss) / 1024};
}

/// The last report; of an interrupted run too.
preference_report train(const settings& s, training& trainer) {
  preference_report last;
  const auto start = trainer.index();
  const auto columns = fewstep::figure_names<preference_report>();
  auto table = start > 0 ? fewstep::metrics_csv::resume_at(s.output / "metrics.csv", columns, start)
                         : fewstep::metrics_csv(s.output / "metrics.csv", columns);
  text_to_emoji::warn_of_gap(s.output / "metrics.csv", table);
  fewstep::progress_bar bar(s.updates, "training");
  const auto step = [&] {
    last = trainer.update();
    table.append(trainer.index(), last);
    bar.update(trainer.index(),
               {{"loss", last.loss}, {"winner", last.winner_log_ratio}, {"loser", last.loser_log_ratio}});
  };
  text_to_emoji::run_steps(trainer, s.updates, s.checkpoint_every, step, [&] {
    table.synchronise();
    trainer.save(s.output / "checkpoint.safetensors");
  });
  return last;
}

/// Log-ratios of winners and losers, times beta, over the whole run.
void plot_log_ratios(const settings& s) {
  std::array<fewstep::plot_series, 2> curves;
  curves[0].name = "winner", curves[1].name = "loser";
  for (const auto& row : text_to_emoji::read_table(s.output / "metrics.csv", 5))
    for (std::size_t k = 0; k < 2; ++k) {
      curves[k].x.push_back(row[0]);
      curves[k].y.push_back(static_cast<double>(s.beta) * row[3 + k]);
    }
  fewstep::write_svg_plot(s.output / "log_ratios.svg",
                          {.title = s.system + ": how much likelier than under the base",
                           .x_label = "update",
                           .y_label = "beta times log-ratio"},
                          curves);
}

/// The first picture of twelve names, the base's above.
void draw_before_and_after(const settings& s, const examined& before, const examined& after) {
  const auto size = static_cast<std::size_t>(emoji_data::picture_size),
             step = size * static_cast<std::size_t>(s.samples);
  const std::size_t names = std::min<std::size_t>(12, before.pictures.size() / step);
  std::vector<float> pictures;
  for (const auto* of : {&before, &after})
    for (std::size_t p = 0; p < names; ++p)
      pictures.insert(pictures.end(), of->pictures.data() + p * step, of->pictures.data() + p * step + size);
  text_to_emoji::save_picture_grid(s.output / "before_after.png", pictures, static_cast<int>(names), 4);
}

}  // namespace

settings settled(settings s) {
  if (s.updates == 0) s.updates = s.system == "d3po" ? 30 : 100;
  if (s.learning_rate == 0) s.learning_rate = s.lora > 0 ? 1e-3f : 1e-4f;
  if (s.beta == 0) s.beta = 1000;
  return s;
}

int run(const settings& asked) {
  const settings s = settled(asked);
  check(s);
  text_to_emoji::watch_for_interrupts();
  const auto data = emoji_data::load(s.data);
  backend_type backend({.threads = s.threads});
  auto model = std::make_shared<generator_type>(text_to_emoji::load_generator(backend, s.checkpoint, s.lora, s.seed));
  auto reference = text_to_emoji::load_reference(backend, s.checkpoint, model);
  const auto inverter = s.system == "ddim_inpo"
                            ? std::make_unique<generator_type>(text_to_emoji::load_generator(backend, s.denoiser))
                            : nullptr;
  const text_to_emoji::run_folder folder(s.output,
                                         {"model.safetensors", "before_after.png", "log_ratios.svg", "table.csv"},
                                         {.resume = s.resume, .overwrite = s.overwrite});
  const examination exam(backend, s, data, model->words());
  const auto base = text_to_emoji::make_painter(backend, reference),
             artist = text_to_emoji::make_painter(backend, model);
  const examined before = exam.of(*base);
  auto records = s.system == "d3po" ? records_type{} : make_pairs(backend, s, data, reference);
  std::printf("%s, %d updates of %d pairs, learning rate %g, beta %g, safeguard %g; output in %s\n", s.system.c_str(),
              s.updates, s.batch, static_cast<double>(s.learning_rate), static_cast<double>(s.beta),
              static_cast<double>(s.safeguard), s.output.c_str());
  std::fflush(stdout);
  const auto trainer = make_training(backend, s, data, *model, *reference, inverter.get(), std::move(records));
  if (folder.goes_on())
    trainer->load(folder.checkpoint());
  else
    folder.begin();

  const double begin = used().seconds;
  const auto start = trainer->index();
  const preference_report last = train(s, *trainer);
  const double seconds = used().seconds - begin;
  if (trainer->index() < s.updates) return text_to_emoji::interrupted_status();
  text_to_emoji::save_generator(backend, s.output / "model.safetensors", *model, model->parameters());
  const examined after = exam.of(*artist);
  plot_log_ratios(s);
  draw_before_and_after(s, before, after);
  fewstep::write_atomically(s.output / "table.csv", exam.csv(before, after));
  std::printf("%s", exam.table(before, after).c_str());
  std::printf(
      "last update: loss %.3f, beta times log-ratio of the winner %+.3f, of the loser %+.3f, displaced %.0f %%, "
      "the loser counted for %.2f\n"
      "%.2f processor seconds an update, %.0f in all, %.0f MB at the peak\n",
      last.loss, static_cast<double>(s.beta) * last.winner_log_ratio,
      static_cast<double>(s.beta) * last.loser_log_ratio, 100 * last.displaced, last.loser_scale,
      seconds / static_cast<double>(std::max<std::int64_t>(1, s.updates - start)), used().seconds, used().megabytes);
  return 0;
}

}  // namespace preferences

// SPDX-License-Identifier: Apache-2.0
#include "drawing.hpp"
#include "emoji_data.hpp"
#include "evaluation.hpp"
#include "interrupt.hpp"
#include "option_checks.hpp"
#include "prompt_words.hpp"
#include "run_folder.hpp"
#include "run_loop.hpp"
#include "runtime.hpp"
#include "settings.hpp"

#include <fewstep/core/utf8.hpp>
#include <fewstep/image/jpeg.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/log/progress_bar.hpp>
#include <fewstep/log/svg_plot.hpp>
#include <fewstep/log/tensorboard.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace text_to_emoji {
namespace {

using fewstep::message;
using fewstep::update_report;

/// The double that is written as the float is.
double as_written(float value) {
  std::string text;
  fewstep::append_number(text, value);
  return std::stod(text);
}

nlohmann::ordered_json as_json(const finetune_settings& s) {
  std::vector<double> times;
  for (const float time : s.times) times.push_back(as_written(time));
  nlohmann::ordered_json json{{"backend", s.backend},
                              {"checkpoint", s.checkpoint.string()},
                              {"data", s.data.string()},
                              {"reward", s.task},
                              {"updates", s.updates},
                              {"horizon", s.horizon},
                              {"times", times},
                              {"first_trained", s.first_trained},
                              {"prompts", s.prompts},
                              {"samples", s.samples},
                              {"learning_rate", as_written(s.learning_rate)},
                              {"kl", as_written(s.kl)},
                              {"clip", as_written(s.clip)},
                              {"last_step", s.last_step},
                              {"advantage", s.advantage},
                              {"lora", s.lora},
                              {"memory_budget", s.memory_budget},
                              {"seed", s.seed},
                              {"threads", s.threads},
                              {"checkpoint_every", s.checkpoint_every},
                              {"evaluation_prompts", s.evaluation_prompts},
                              {"evaluation_samples", s.evaluation_samples}};
  if (is_learned(s.task)) json["reward_model"] = s.reward_model.string();
  for (const auto& [name, value] : json.items())
    if (value.is_string()) fewstep::require_utf8(value.get<std::string>(), "--" + name);
  return json;
}

void check(const finetune_settings& s) {
  expect_at_least("--updates", s.updates, 1);
  expect_at_least("--first-trained", s.first_trained, -1);
  expect_at_least("--prompts", s.prompts, 1);
  expect_at_least("--samples", s.samples, 1);
  expect_positive("--learning-rate", s.learning_rate);
  expect_at_least("--clip", s.clip, 0);
  expect_at_least("--lora", s.lora, 0);
  expect_threads(s.threads);
  expect_at_least("--checkpoint-every", s.checkpoint_every, 1);
  expect_at_least("--evaluation-prompts", s.evaluation_prompts, 2);
  expect_at_least("--evaluation-samples", s.evaluation_samples, 2);
  fewstep::expects(s.samples > 1 || s.advantage != "group",
                   "--samples is 1 but --advantage is group, where a sample is compared with the others of its prompt; "
                   "use --samples 2 or more, or --advantage buffer or batch");
  fewstep::expects(s.memory_budget > 0 && s.memory_budget < 1e9, [&] {
    return message("--memory-budget is ", s.memory_budget, " MB; use a positive number below 1e9");
  });
  fewstep::expects(s.kl >= 0, [&] { return message("--kl is ", s.kl, "; use 0 (none) or more"); });
}

/// The reward, and the models that come with the repository where they are found and know the generator's words.
picture_rewards rewards_of(const finetune_settings& s, const fewstep::vocabulary& words, int threads) {
  const auto found = [&](const char* task, const std::filesystem::path& model) -> emoji_reward {
    if (!std::filesystem::exists(model)) return {};
    try {
      return make_reward(task, model, words, threads);
    } catch (const std::runtime_error& error) {
      std::fprintf(stderr, "warning: pictures are not rated by the %s: %s\n", task, error.what());
      return {};
    }
  };
  return {make_reward(s.task, s.reward_model, words, threads), found("alignment", default_two_tower),
          found("preference", default_preference)};
}

std::string megabytes(std::size_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text.data();
}

void announce(const finetune_settings& s, int threads, const emoji_data& data, finetuning& task) {
  const finetuning::summary facts = task.describe();
  const fewstep::memory_plan& memory = facts.memory;
  std::string times;
  for (const float time : facts.times) times += message(times.empty() ? "" : ", ", time);
  std::printf("model        %s: %td parameters, %s\n", s.checkpoint.c_str(), facts.parameters,
              facts.has_adapters ? message(facts.trained, " in adapters trained").c_str() : "all trained");
  std::printf(
      "reward       %s (%s)\n", s.task.c_str(),
      s.task == "alignment"    ? message("cosine similarity of picture and prompt by ", s.reward_model.string()).c_str()
      : s.task == "preference" ? message("by ", s.reward_model.string()).c_str()
                               : message("JPEG size in kB at quality ", fewstep::published_jpeg_quality).c_str());
  std::printf("update       %d prompts of %zu x %d samples, %d network calls at noise %s; last step: %s\n", s.prompts,
              data.tuning.size(), s.samples, s.horizon, times.c_str(), s.last_step.c_str());
  std::printf("objective    clip range %g, KL coefficient %g, %s advantage, Adam at %g\n",
              static_cast<double>(facts.clip_range), static_cast<double>(s.kl), s.advantage.c_str(),
              static_cast<double>(s.learning_rate));
  std::printf("seed         %llu, %d threads%s\n", static_cast<unsigned long long>(s.seed), threads,
              s.backend == "cpu" ? "" : message(", the networks on ", s.backend).c_str());
  std::printf("memory       %s of %g MB: parameters %s, model %s, trajectory %s, reference %s, %td rows at a time %s\n",
              megabytes(memory.total()).c_str(), s.memory_budget, megabytes(memory.parameters).c_str(),
              megabytes(memory.model).c_str(), megabytes(memory.trajectory).c_str(),
              megabytes(memory.regularizer).c_str(), memory.rows, megabytes(memory.workspace).c_str());
  std::printf("output       %s\n\n", s.output.c_str());
  std::fflush(stdout);
}

/// Updates until all are made or the run is interrupted; with a checkpoint at the end of either.
void train(const finetune_settings& s, const emoji_data& data, finetuning& task) {
  std::vector<fewstep::token_list> contexts;
  for (const auto name : data.tuning)
    contexts.push_back(task.after().encode(data.names[static_cast<std::size_t>(name)]));
  const auto columns = fewstep::figure_names<update_report>();

  const std::int64_t start = task.index();
  auto table = start > 0 ? fewstep::metrics_csv::resume_at(s.output / "metrics.csv", columns, start)
                         : fewstep::metrics_csv(s.output / "metrics.csv", columns);
  warn_of_gap(s.output / "metrics.csv", table);
  fewstep::tensorboard_writer board(s.output / "tensorboard",
                                    start > 0 ? std::optional<std::int64_t>(start) : std::nullopt);
  fewstep::progress_bar bar(s.updates, "training");
  const auto step = [&] {
    const update_report report = task.update(contexts);
    const std::int64_t done = task.index();
    table.append(done, report);
    board.add("train", report, done);
    bar.update(done, {{"reward", report.reward_mean},
                      {"ratio", report.ratio_mean},
                      {"clip", report.clip_fraction},
                      {"gradient", report.gradient_norm}});
  };
  run_steps(task, s.updates, s.checkpoint_every, step, [&] {
    table.synchronise();
    board.synchronise();
    task.save_checkpoint(s.output / "checkpoint.safetensors");
  });
}

/// The reward curve of the whole run, from its table, which is whole also after a resume.
void plot_rewards(const finetune_settings& s) {
  fewstep::plot_series curve{.name = "reward"};
  for (const auto& row : read_table(s.output / "metrics.csv", 3)) {
    const double update = row[0], reward = row[1], error = row[2];
    curve.x.push_back(update);
    curve.y.push_back(reward);
    curve.low.push_back(reward - error);
    curve.high.push_back(reward + error);
  }
  fewstep::write_svg_plot(s.output / "reward.svg",
                          {.title = s.task + ": mean reward and its standard error",
                           .x_label = "update",
                           .y_label = is_learned(s.task) ? "reward" : "reward (kB)"},
                          std::span(&curve, 1));
}

/// The first sample of up to twelve held-back prompts, before above and after below.
void draw_before_and_after(const finetune_settings& s, const rated_pictures& before, const rated_pictures& after) {
  const std::size_t prompts = std::min<std::size_t>(12, before.figures[0].size());
  const auto size = static_cast<std::size_t>(emoji_data::picture_size);
  std::vector<float> pictures;
  for (const auto* row : {&before, &after})
    for (std::size_t p = 0; p < prompts; ++p) {
      const float* picture = row->pictures.data() + p * static_cast<std::size_t>(s.evaluation_samples) * size;
      pictures.insert(pictures.end(), picture, picture + size);
    }
  save_picture_grid(s.output / "before_after.png", pictures, static_cast<int>(prompts), 4);
}

}  // namespace

int finetune(const finetune_settings& settings) {
  const finetune_settings s = settled(settings);
  check(s);
  watch_for_interrupts();
  const auto runtime = make_runtime(s.backend, s.threads);
  const auto data = emoji_data::load(s.data);
  fewstep::cpu_backend host({.threads = s.threads});
  const auto task = runtime->finetune(s, data);
  const run_folder folder(s.output,
                          {"model.safetensors", "before_after.png", "reward.svg", "evaluation.csv", "evaluation.json"},
                          {.resume = s.resume, .overwrite = s.overwrite});
  const auto checkpoint = folder.checkpoint();
  if (folder.goes_on()) {
    task->load_checkpoint(checkpoint);
    std::printf("resuming     after update %lld of %d\n", static_cast<long long>(task->index()), s.updates);
  } else {
    if (s.resume) std::printf("resuming     there is no checkpoint yet in %s; starting anew\n", s.output.c_str());
    folder.begin();
    fewstep::write_atomically(s.output / "settings.json", as_json(s).dump(2) + "\n");
  }
  announce(s, host.threads(), data, *task);
  warn_of_left_out(task->before().words(), data.names);

  const name_index index(data);
  const auto groups = evaluation_groups(data, s.evaluation_prompts);
  const evaluation_plan plan{.times = s.times, .samples = s.evaluation_samples};
  const auto rewards = rewards_of(s, task->before().words(), host.threads());
  std::printf("judging %zu prompts x %d samples before the fine-tuning\n",
              groups[0].prompts.size() + groups[1].prompts.size() + groups[2].prompts.size(), s.evaluation_samples);
  std::fflush(stdout);
  const auto before = plan.run(host, task->before(), groups, index, rewards);

  train(s, data, *task);
  plot_rewards(s);
  if (task->index() < s.updates) {
    std::printf("interrupted after update %lld of %d; the same command with --resume goes on from %s\n",
                static_cast<long long>(task->index()), s.updates, checkpoint.c_str());
    return interrupted_status();
  }

  task->save_model(s.output / "model.safetensors");
  std::printf("judging the same prompts and noise after it\n");
  std::fflush(stdout);
  const auto after = plan.run(host, task->after(), groups, index, rewards);
  draw_before_and_after(s, before[0], after[0]);
  const auto figures = compare(groups, before, after);
  fewstep::write_atomically(s.output / "evaluation.csv", as_csv(figures));
  fewstep::write_atomically(s.output / "evaluation.json", as_json(figures));
  std::printf(
      "%s%s\nwritten to %s: model.safetensors, before_after.png, reward.svg, evaluation.csv, metrics.csv and "
      "more\n",
      as_table(figures).c_str(), warnings(figures, static_cast<double>(s.kl)).c_str(), s.output.c_str());
  return 0;
}

}  // namespace text_to_emoji

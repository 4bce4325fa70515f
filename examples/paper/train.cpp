// SPDX-License-Identifier: Apache-2.0
#include "figures.hpp"
#include "learner.hpp"
#include "run_record.hpp"
#include "settings.hpp"
#include "small_data.hpp"
#include "stop_rule.hpp"
#include "text_to_emoji/folder_lock.hpp"
#include "text_to_emoji/interrupt.hpp"
#include "text_to_emoji/run_loop.hpp"

#include <fewstep/io/file.hpp>
#include <fewstep/log/progress_bar.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace paper {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> texts(const emoji_data& data, std::span<const std::int32_t> names) {
  std::vector<std::string> all;
  for (const std::int32_t name : names) all.push_back(data.names[static_cast<std::size_t>(name)]);
  return all;
}

fewstep::early_stopping stopping(const train_settings& s) {
  std::vector<fewstep::stop_rule> rules;
  for (const std::string& optimizer : s.stop) rules.push_back(parse_stop_rule(optimizer));
  return fewstep::early_stopping(std::move(rules));
}

/// A run in its folder.
class training_run {
 public:
  training_run(fewstep::cpu_backend& host, const train_settings& s, const emoji_data& data)
      : host_(host),
        settings_(s),
        stopping_(stopping(s)),
        held_out_(some_of(data.held_back, s.evaluation_prompts)),
        index_(data),
        learner_(make_learner(host, s, {texts(data, data.tuning), texts(data, held_out_), data.checksum()},
                              task_reward(s.reward, s.reward_model, data.words, host.threads()))),
        lock_(opened()),
        progress_(restored()),
        seconds_(progress_.seconds),
        tables_(s.output, learner_->index()) {
    tables_.warn_of_gaps(progress_.last_evaluated);
    for (const auto& [update, figures] : tables_.evaluations()) stopped_ = stopping_.look(update, figures);
  }

  /// Trains until it is over or interrupted; whether it is over.
  bool train() {
    evaluations_ = tables_.last_evaluated() < 0 ? -1 : due();
    if (evaluations_ < 0) evaluate();
    fewstep::progress_bar bar(per_cent, settings_.label);
    text_to_emoji::run_steps_until(
        *learner_, [&] { return is_over(); }, settings_.checkpoint_every, [&] { update(bar); },
        [&] {
          tables_.synchronise();
          learner_->save_checkpoint(checkpoint(), {seconds_, tables_.last_evaluated()});
        });
    return is_over();
  }

  /// The last evaluation, pictures, model and summary.
  run_summary finish() {
    const evaluated last = evaluation();
    if (tables_.last_evaluated() < learner_->index()) tables_.add(learner_->index(), seconds_, learner_->cost(), last);
    draw_before_and_after(last.pictures.pictures);
    learner_->save_model(settings_.output / "model.safetensors");
    const run_summary summary{learner_->index(), seconds_, learner_->seconds_per_image(), last, stopped_};
    write_summary(settings_, summary);
    return summary;
  }

 private:
  static constexpr int per_cent = 100;

  [[nodiscard]] fs::path checkpoint() const { return settings_.output / "checkpoint.safetensors"; }

  /// The folder, made and locked.
  [[nodiscard]] text_to_emoji::folder_lock opened() const {
    fewstep::require_writable_directory(settings_.output);
    return text_to_emoji::folder_lock(settings_.output);
  }

  /// Reads the checkpoint if there is one.
  [[nodiscard]] run_progress restored() const {
    begin_or_continue(settings_);
    run_progress progress;
    if (fs::exists(checkpoint())) learner_->load_checkpoint(checkpoint(), progress);
    return progress;
  }

  [[nodiscard]] bool is_over() const { return stopped_ || progress() >= 1; }
  /// 1 when the updates or the seconds are used up.
  [[nodiscard]] double progress() const {
    double most = 0;
    if (settings_.updates > 0) most = static_cast<double>(learner_->index()) / static_cast<double>(settings_.updates);
    if (settings_.seconds > 0) most = std::max(most, seconds_ / settings_.seconds);
    return most;
  }
  /// Evaluations that should have been made by now, after the one before training.
  [[nodiscard]] int due() const {
    const double done = std::min(progress(), 1.0);
    return static_cast<int>((settings_.early_evaluations ? std::sqrt(done) : done) * settings_.evaluations + 1e-9);
  }

  void update(fewstep::progress_bar& bar) {
    const auto report = learner_->update();
    seconds_ += report.sampling_seconds + report.training_seconds;
    tables_.add(learner_->index(), seconds_, learner_->cost(), report);
    bar.update(static_cast<std::int64_t>(std::min(progress(), 1.0) * per_cent), {{"update", learner_->index()},
                                                                                 {"seconds", seconds_},
                                                                                 {"reward", report.reward_mean},
                                                                                 {"clip", report.clip_fraction}});
    if (progress() < 1 && due() > evaluations_) evaluate();
  }

  [[nodiscard]] evaluated evaluation() {
    evaluated e{learner_->examine(), 0};
    e.retrieval = retrieval(host_, e.pictures.pictures, held_out_, settings_.evaluation_samples, index_);
    return e;
  }

  void evaluate() {
    const evaluated e = evaluation();
    tables_.add(learner_->index(), seconds_, learner_->cost(), e);
    stopped_ = stopping_.look(learner_->index(), held_out_figures(e));
    evaluations_ = due();
  }

  /// The first picture of up to twelve names, before above and after below.
  void draw_before_and_after(fewstep::matrix<const float> after) const {
    const auto size = static_cast<std::size_t>(after.cols()), names = std::min<std::size_t>(12, held_out_.size());
    const std::vector<float> before = learner_->base_pictures();
    std::vector<float> pictures;
    for (const float* row : {before.data(), after.data})
      for (std::size_t p = 0; p < names; ++p) {
        const float* picture = row + p * static_cast<std::size_t>(settings_.evaluation_samples) * size;
        pictures.insert(pictures.end(), picture, picture + size);
      }
    save_grid(settings_.output / "pictures.png", as_rows(pictures, 2 * names), static_cast<int>(names), 4);
  }

  fewstep::cpu_backend& host_;
  const train_settings& settings_;
  fewstep::early_stopping stopping_;
  std::optional<std::string> stopped_;
  std::vector<std::int32_t> held_out_;
  text_to_emoji::name_index index_;
  std::unique_ptr<learner> learner_;
  text_to_emoji::folder_lock lock_;
  run_progress progress_;  ///< that the run goes on from
  double seconds_;
  run_tables tables_;
  int evaluations_ = -1;
};

}  // namespace

int train(const train_settings& asked) {
  const train_settings s = settled(asked);
  (void)stopping(s).look(0, held_out_figures({}));  // throws if a rule names no figure
  text_to_emoji::watch_for_interrupts();
  if (is_finished(s.output)) {
    begin_or_continue(s);
    std::printf("%s: finished already\n", s.output.c_str());
    return 0;
  }
  const auto data = emoji_data::load(s.data);
  fewstep::cpu_backend host({.threads = s.threads});
  training_run run(host, s, data);
  if (!run.train()) {
    std::printf("interrupted; the same command goes on\n");
    return text_to_emoji::interrupted_status();
  }
  const run_summary summary = run.finish();
  std::printf("%s: %lld updates in %.1f s; held-out reward %.1f, retrieval %.1f %%\n", s.output.c_str(),
              static_cast<long long>(summary.updates), summary.training_seconds, summary.last.pictures.reward.mean,
              100 * summary.last.retrieval);
  if (summary.stopped) std::printf("stopped early: %s\n", summary.stopped->c_str());
  return 0;
}

}  // namespace paper

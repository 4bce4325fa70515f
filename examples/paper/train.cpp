// SPDX-License-Identifier: Apache-2.0
#include "figures.hpp"
#include "learner.hpp"
#include "run_record.hpp"
#include "settings.hpp"
#include "small_data.hpp"
#include "text_to_emoji/interrupt.hpp"
#include "text_to_emoji/run_loop.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/io/progress_bar.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace paper {
namespace {

namespace fs = std::filesystem;

/// A run in its folder.
class training_run {
 public:
  training_run(fewstep::cpu_backend& host, const train_settings& s, const emoji_data& data)
      : host_(host), settings_(s), data_(data), index_(data), learner_(make_learner(host, s)) {
    if (fs::exists(checkpoint())) learner_->load_checkpoint(checkpoint(), seconds_);
    for (const auto name : data.tuning)
      contexts_.push_back(learner_->encode(data.names[static_cast<std::size_t>(name)]));
  }

  /// Trains until the updates or the seconds are used up or Ctrl-C; whether they are.
  bool train() {
    run_tables tables(settings_.output, learner_->index());
    fewstep::progress_bar bar(settings_.updates, settings_.method);
    while (true) {
      if (tables.last_examined() < learner_->index()) examine(tables);
      if (is_over() || text_to_emoji::interrupted()) break;
      const std::int64_t every = settings_.evaluate_every, next = (learner_->index() / every + 1) * every;
      text_to_emoji::run_steps(
          *learner_, std::min(next, settings_.updates), settings_.checkpoint_every, [&] { update(tables, bar); },
          [&] { learner_->save_checkpoint(checkpoint(), seconds_); });
    }
    return is_over();
  }

  /// Judges pictures of all held-out names before and after, and keeps the model.
  void finish() {
    const auto exam = examination::of(data_.held_back, settings_.final_prompts, settings_.final_samples);
    const auto base = load_artist(host_, model_of(settings_), drawing_of(settings_));
    const auto before = exam.draw(*base, data_);
    const auto begin = std::chrono::steady_clock::now();
    const auto after = exam.draw(*learner_, data_);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    save_before_and_after(settings_.output / "before_after.png", before, after, settings_.final_samples);
    learner_->save_model(settings_.output / "model.safetensors");
    write_result(settings_.output,
                 {.before = exam.judge(host_, before, index_),
                  .after = exam.judge(host_, after, index_),
                  .updates = learner_->index(),
                  .seconds = seconds_,
                  .seconds_a_picture = taken.count() / static_cast<double>(exam.names.size()) / exam.samples,
                  .network_calls = learner_->network_calls()});
  }

 private:
  [[nodiscard]] fs::path checkpoint() const { return settings_.output / "checkpoint.safetensors"; }
  [[nodiscard]] bool is_over() const {
    return learner_->index() >= settings_.updates ||
           (settings_.budget_seconds > 0 && seconds_ >= settings_.budget_seconds);
  }

  void update(run_tables& tables, fewstep::progress_bar& bar) {
    const auto report = learner_->update(contexts_);
    seconds_ += report.sampling_seconds + report.training_seconds;
    tables.add(learner_->index(), seconds_, learner_->cost(), report);
    bar.update(learner_->index(), {{"reward", report.reward_mean}, {"clip", report.clip_fraction}});
  }

  void examine(run_tables& tables) {
    const auto exam = examination::of(data_.held_back, settings_.evaluation_prompts, settings_.evaluation_samples);
    tables.add(learner_->index(), seconds_, learner_->cost(), exam.judge(host_, exam.draw(*learner_, data_), index_));
  }

  fewstep::cpu_backend& host_;
  const train_settings& settings_;
  const emoji_data& data_;
  text_to_emoji::name_index index_;
  std::unique_ptr<learner> learner_;
  std::vector<fewstep::token_list> contexts_;
  double seconds_ = 0;
};

}  // namespace

int train(const train_settings& asked) {
  const train_settings s = settled(asked);
  fewstep::require_writable_directory(s.output);
  if (is_finished(s.output)) {
    begin_or_continue(s);
    std::printf("%s: finished already\n", s.output.c_str());
    return 0;
  }
  begin_or_continue(s);
  const auto data = emoji_data::load(s.data);
  fewstep::cpu_backend host({.threads = s.threads});
  training_run run(host, s, data);
  if (!run.train()) {
    std::printf("interrupted; the same command goes on\n");
    return text_to_emoji::interrupted_status;
  }
  run.finish();
  const run_result r = read_result(s.output);
  std::printf("%s: %lld updates in %.1f s, held-out JPEG bytes %.1f to %.1f, retrieval %.1f %% to %.1f %%\n",
              s.output.c_str(), static_cast<long long>(r.updates), r.seconds, r.before.bytes, r.after.bytes,
              100 * r.before.retrieval, 100 * r.after.retrieval);
  return 0;
}

}  // namespace paper

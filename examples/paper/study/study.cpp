// SPDX-License-Identifier: Apache-2.0
#include "child_run.hpp"
#include "finished_run.hpp"
#include "plan.hpp"
#include "study_settings.hpp"
#include "text_to_emoji/folder_lock.hpp"
#include "text_to_emoji/interrupt.hpp"
#include "text_to_emoji/option_checks.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/io/atomic_file.hpp>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace paper {

namespace fs = std::filesystem;

namespace {

/// All runs of a plan that have not finished; 0, or the exit status if interrupted.
int carry_out(const study_plan& plan, int threads) {
  const fs::path output = plan.output;
  fewstep::require_writable_directory(output);
  const text_to_emoji::folder_lock lock(output);

  // The machines are those that have run something: a study may go on elsewhere.
  const fs::path file = output / "plan.json";
  nlohmann::json machines = nlohmann::json::array();
  if (fs::exists(file)) {
    const auto old = read_json(file);
    if (old.value("plan", nlohmann::json()) != to_json(plan))
      throw std::runtime_error(fewstep::message(file.string(),
                                                ": the folder holds a study with other settings; give those again to "
                                                "go on with it, or name another folder by --output"));
    machines = old.value("machines", machines);
  }
  const auto facts = to_json(this_machine(threads));
  const auto unfinished = [&](const planned_run& run) { return !has_finished(output / run.folder()); };
  if (std::any_of(plan.runs.begin(), plan.runs.end(), unfinished) &&
      std::find(machines.begin(), machines.end(), facts) == machines.end())
    machines.push_back(facts);
  fewstep::write_atomically(file, nlohmann::json{{"plan", to_json(plan)}, {"machines", machines}}.dump(1) + "\n");

  double planned = 0;
  for (const auto& run : plan.runs) planned += run.seconds;
  std::printf("paper study: %s, %zu runs, %.0f s of training in all\n", plan.reward.c_str(), plan.runs.size(), planned);
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    const planned_run& run = plan.runs[i];
    if (!unfinished(run)) continue;
    std::printf("paper study: run %zu of %zu: %s, seed %llu, %.0f s\n", i + 1, plan.runs.size(), run.label.c_str(),
                static_cast<unsigned long long>(run.seed), run.seconds);
    const int status = run_this_program(run.arguments);
    if (text_to_emoji::is_interrupted_status(status) || text_to_emoji::interrupted()) {
      std::printf("interrupted; the same command goes on\n");
      return text_to_emoji::interrupted_status(status);
    }
    if (status != 0)
      throw std::runtime_error(fewstep::message((output / run.folder()).string(), ": the run ended with exit status ",
                                                status, "; the same command goes on with it"));
  }
  return 0;
}

}  // namespace

int study(const study_settings& s) {
  text_to_emoji::expect_at_least("--hours", s.hours, 0);
  text_to_emoji::expect_threads(s.threads);
  text_to_emoji::watch_for_interrupts();
  const auto rewards = s.rewards.empty() ? rewards_of(s.plan) : s.rewards;
  report_settings shown{.studies = {}, .results = s.results, .search = s.search};
  for (const auto& reward : rewards) {
    study_plan plan = make_plan(s.plan, s.hours, static_cast<int>(rewards.size()));
    const fs::path output = rewards.size() > 1 ? s.output / reward : s.output;
    plan.reward = reward;
    plan.output = output.generic_string();
    for (auto& run : plan.runs) run.arguments = train_arguments(run, reward, output / run.folder(), s.threads, s.more);
    if (const int status = carry_out(plan, s.threads); status != 0) return status;
    shown.studies.push_back(output);
  }
  return report(shown);
}

}  // namespace paper

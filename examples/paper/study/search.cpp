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
#include <string>
#include <vector>

namespace paper {

namespace fs = std::filesystem;
using fewstep::message;

namespace {

/// What a run of the search came to. Without figures `status` says why.
struct searched {
  std::string method;
  double learning_rate = 0;
  std::string status;
  double reward = 0, height = 0, retrieval_before = 0, retrieval = 0, diversity = 0;

  [[nodiscard]] bool is_sound() const { return status == "finished"; }
  [[nodiscard]] bool keeps(double share) const { return is_sound() && retrieval >= share * retrieval_before; }
};

searched searched_in(const fs::path& folder, const std::string& method, double rate) {
  const finished_run run = read_finished_run(folder);
  return {method,
          rate,
          "finished",
          run.held_out["reward"].back(),
          fewstep::mean_height(run.over("training_seconds", "reward")),
          run.held_out["retrieval"].front(),
          run.held_out["retrieval"].back(),
          run.held_out["diversity"].back()};
}

std::string table_of(const std::vector<searched>& all) {
  std::string text = "method,learning_rate,final_reward,mean_reward,retrieval_before,retrieval,diversity,status\n";
  for (const auto& s : all) {
    text += s.method + "," + shortest(s.learning_rate);
    for (const double value : {s.reward, s.height, s.retrieval_before, s.retrieval, s.diversity})
      text.append(",").append(s.is_sound() ? shortest(value) : std::string());
    text += "," + s.status + "\n";
  }
  return text;
}

}  // namespace

int search(const search_settings& s) {
  fewstep::expects(!s.methods.empty() && !s.rates.empty(), [&] {
    return message("search: ", s.methods.size(), " methods and ", s.rates.size(), " rates; give at least one of each");
  });
  text_to_emoji::expect_positive("--seconds", s.seconds);
  for (const double rate : s.rates) text_to_emoji::expect_positive("--rates", rate);
  text_to_emoji::expect_between("--keep", s.keep, 0, 1);
  text_to_emoji::expect_at_least("--evaluations", s.evaluations, 1);
  text_to_emoji::expect_threads(s.threads);
  text_to_emoji::watch_for_interrupts();
  fewstep::require_writable_directory(s.output);
  const text_to_emoji::folder_lock lock(s.output);
  std::vector<double> rates = s.rates;
  std::sort(rates.begin(), rates.end());
  std::vector<searched> all;
  for (const auto& method : s.methods)
    for (const double rate : rates) {
      planned_run run;
      run.label = method + "_" + shortest(rate);
      run.method = method;
      run.learning_rate = rate;
      run.seed = s.seed;
      run.seconds = s.seconds;
      run.evaluations = s.evaluations;
      const fs::path folder = s.output / run.label;
      int status = 0;
      if (!has_finished(folder)) {
        std::printf("paper search: %s, learning rate %s\n", method.c_str(), shortest(rate).c_str());
        status = run_this_program(train_arguments(run, s.reward, folder, s.threads, s.more));
        if (text_to_emoji::is_interrupted_status(status) || text_to_emoji::interrupted()) {
          std::printf("interrupted; the same command goes on\n");
          return text_to_emoji::interrupted_status(status);
        }
      }
      all.push_back(status == 0 ? searched_in(folder, method, rate)
                                : searched{method, rate, message("exit status ", status)});
      fewstep::write_atomically(s.output / "search.csv", table_of(all));
    }

  std::printf("%s", table_of(all).c_str());
  bool complete = true;
  for (const auto& method : s.methods) {
    const searched* best = nullptr;
    for (const auto& one : all)
      if (one.method == method && one.keeps(s.keep) && (best == nullptr || one.reward > best->reward)) best = &one;
    complete = complete && best != nullptr;
    if (best == nullptr) {
      std::printf("%s: no rate came to an end with %s of the retrieval; try smaller rates, or a larger --kl\n",
                  method.c_str(), shortest(s.keep).c_str());
      continue;
    }
    const bool at_end = best->learning_rate == rates.front() || best->learning_rate == rates.back();
    std::printf("%s: best learning rate %s%s\n", method.c_str(), shortest(best->learning_rate).c_str(),
                at_end ? ", at the end of the grid: add rates beyond it to --rates" : "");
  }
  std::printf("written: %s\n", (s.output / "search.csv").c_str());
  return complete ? 0 : 1;
}

}  // namespace paper

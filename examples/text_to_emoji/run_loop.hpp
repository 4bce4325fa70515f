// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interrupt.hpp"

#include <fewstep/log/metrics_csv.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace text_to_emoji {

/// Whether a step that threw, begun at the index `before`, has moved nothing. A trainer that cannot say moves something
/// last of all.
template <class Trainer>
[[nodiscard]] bool is_untouched(const Trainer& trainer, std::int64_t before) {
  if constexpr (requires { trainer.is_whole(); })
    if (!trainer.is_whole()) return false;
  return trainer.index() == before;
}

/// Calls step() until is_over() or the run is interrupted, and save() after every `every` steps and at
/// the end of either; never twice in the same state, and not before the first step of a resumed run. Where a step
/// throws before it has moved anything (its reward failed, say), the state is saved before the exception goes on.
template <class Trainer, class IsOver, class Step, class Save>
void run_steps_until(const Trainer& trainer, const IsOver& is_over, std::int64_t every, const Step& step,
                     const Save& save) {
  std::int64_t saved = trainer.index() > 0 ? trainer.index() : -1;
  const auto save_once = [&] {
    if (std::exchange(saved, trainer.index()) != trainer.index()) save();
  };
  while (!is_over() && !interrupted()) {
    const std::int64_t before = trainer.index();
    try {
      step();
    } catch (...) {
      try {
        if (before > 0 && is_untouched(trainer, before)) save_once();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "the state before the step that failed was not saved: %s\n", error.what());
      }
      throw;
    }
    if (trainer.index() % every == 0) save_once();
  }
  save_once();
}

/// The same until the trainer's index is `total`.
template <class Trainer, class Step, class Save>
void run_steps(const Trainer& trainer, std::int64_t total, std::int64_t every, const Step& step, const Save& save) {
  run_steps_until(
      trainer, [&] { return trainer.index() >= total; }, every, step, save);
}

/// Says which rows are missing from a table that has one for each step.
inline void warn_of_gap(const std::filesystem::path& path, const fewstep::metrics_csv& table) {
  if (const auto gap = table.gap())
    std::fprintf(stderr,
                 "warning: %s has no rows %lld to %lld, which the checkpoint is made of: the system lost them, or "
                 "someone removed them; the run goes on without them\n",
                 path.c_str(), static_cast<long long>(gap->first), static_cast<long long>(gap->second));
}

/// The first `count` numbers of every line of a table that the run has written, its headings left out.
[[nodiscard]] inline std::vector<std::vector<double>> read_table(const std::filesystem::path& path, std::size_t count) {
  std::ifstream file(path);
  std::vector<std::vector<double>> rows;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::vector<double> row(count);
    char comma = 0;
    for (double& value : row) fields >> value >> comma;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace text_to_emoji

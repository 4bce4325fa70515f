// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interrupt.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace text_to_emoji {

/// Calls step() until the trainer's index is `total` or Ctrl-C is pressed, and save() after every `every` steps and at
/// the end of either; never twice in the same state, and not before the first step of a resumed run.
template <class Trainer, class Step, class Save>
void run_steps(const Trainer& trainer, std::int64_t total, std::int64_t every, const Step& step, const Save& save) {
  std::int64_t saved = trainer.index() > 0 ? trainer.index() : -1;
  const auto save_once = [&] {
    if (std::exchange(saved, trainer.index()) != trainer.index()) save();
  };
  while (trainer.index() < total && !interrupted()) {
    step();
    if (trainer.index() % every == 0) save_once();
  }
  save_once();
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

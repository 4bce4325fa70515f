// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "figures.hpp"
#include "learner.hpp"
#include "settings.hpp"

#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/io/metrics_csv.hpp>

#include <cstdint>
#include <filesystem>
#include <span>

/// What a run leaves in its folder: settings.json, curve.csv (a row for each update), held_out.csv (a row for each
/// examination on names that are not trained on), result.json at its end.

namespace paper {

struct run_result {
  figures before, after;  ///< on held-out names
  std::int64_t updates = 0;
  double seconds = 0;  ///< of training
  double seconds_a_picture = 0;
  int network_calls = 0;  ///< for a picture
};

/// Writes settings.json; throws if the folder has a run with other settings.
void begin_or_continue(const train_settings& s);

[[nodiscard]] bool is_finished(const std::filesystem::path& folder);
void write_result(const std::filesystem::path& folder, const run_result& r);
[[nodiscard]] run_result read_result(const std::filesystem::path& folder);

/// The first picture of up to twelve names, before above and after below.
void save_before_and_after(const std::filesystem::path& path, std::span<const float> before,
                           std::span<const float> after, int samples);

/// The two tables, which have no gap or duplicate after a resume at update `index`.
class run_tables {
 public:
  run_tables(const std::filesystem::path& folder, std::int64_t index);

  void add(std::int64_t index, double seconds, const update_cost& cost, const fewstep::update_report& report);
  void add(std::int64_t index, double seconds, const update_cost& cost, const figures& f);
  /// The update of the last examination; -1: there was none.
  [[nodiscard]] std::int64_t last_examined() const { return held_out_.last_update().value_or(-1); }

 private:
  fewstep::metrics_csv curve_, held_out_;
};

}  // namespace paper

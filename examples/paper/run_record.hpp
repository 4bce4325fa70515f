// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "learner.hpp"
#include "settings.hpp"

#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/monitor/early_stopping.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// What a run leaves in its folder: settings.json, curve.csv (a row for each update), held_out.csv (a row for each
/// evaluation on names that are not trained on) and, at its end, summary.json.

namespace paper {

/// Figures of one evaluation.
struct evaluated {
  examined pictures;
  double retrieval = 0;
};

struct run_summary {
  std::int64_t updates = 0;
  double training_seconds = 0, seconds_per_image = 0;
  evaluated last;
  std::optional<std::string> stopped;  ///< why it ended early
};

/// What held_out.csv has of an evaluation, and rules for stopping may name.
[[nodiscard]] std::vector<fewstep::named_figure> held_out_figures(const evaluated& e);

/// Writes settings.json; throws if the folder has a run with other settings that can go on or is finished.
void begin_or_continue(const train_settings& s);

[[nodiscard]] bool is_finished(const std::filesystem::path& folder);
void write_summary(const train_settings& s, const run_summary& r);

/// The two tables, without gap or duplicate after a resume at update `index`.
class run_tables {
 public:
  run_tables(const std::filesystem::path& folder, std::int64_t index);

  void add(std::int64_t index, double seconds, const update_cost& cost, const fewstep::update_report& report);
  void add(std::int64_t index, double seconds, const update_cost& cost, const evaluated& e);
  /// The update of the last evaluation; -1: there was none.
  [[nodiscard]] std::int64_t last_evaluated() const { return held_out_.last_update().value_or(-1); }

  /// Waits until all rows are on the disk: before a checkpoint that is made of them.
  void synchronise();
  /// After a resume from a checkpoint that knew of this evaluation (-1: of none).
  void warn_of_gaps(std::int64_t last_evaluated) const;

  struct past_evaluation {
    std::int64_t update;
    std::vector<fewstep::named_figure> figures;
  };
  /// The evaluations so far, in a resumed run those before it too.
  [[nodiscard]] std::vector<past_evaluation> evaluations() const;

 private:
  std::filesystem::path folder_;
  fewstep::metrics_csv curve_, held_out_;
};

}  // namespace paper
